export * as Protocol from "./Protocol.ts"
export * as Service from "./Service.ts"
export * as Words from "./Words.ts"
