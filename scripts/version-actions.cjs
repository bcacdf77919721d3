// How `nx release` reads and writes the versions of npm packages. Nx has this in @nx/js, which cannot read a project
// under TypeScript 7.
"use strict"
const { execFileSync } = require("node:child_process")
const { join } = require("node:path")
const { VersionActions } = require("nx/release")

const read = (tree, path) => JSON.parse(tree.read(path, "utf-8"))
const write = (tree, path, manifest) => tree.write(path, `${JSON.stringify(manifest, null, 2)}\n`)

class NpmVersionActions extends VersionActions {
  validManifestFilenames = ["package.json"]

  async readCurrentVersionFromSourceManifest(tree) {
    const manifestPath = join(this.projectGraphNode.data.root, "package.json")
    return { manifestPath, currentVersion: read(tree, manifestPath).version }
  }

  async readCurrentVersionOfDependency(tree, _graph, name) {
    const { dependencies } = read(tree, join(this.projectGraphNode.data.root, "package.json"))
    return { currentVersion: dependencies?.[name] ?? null, dependencyCollection: "dependencies" }
  }

  async updateProjectVersion(tree, version) {
    return this.manifestsToUpdate.map(({ manifestPath }) => {
      write(tree, manifestPath, { ...read(tree, manifestPath), version })
      return `${manifestPath}: ${version}`
    })
  }

  async updateProjectDependencies(tree, _graph, versions) {
    return this.manifestsToUpdate.map(({ manifestPath }) => {
      const manifest = read(tree, manifestPath)
      write(tree, manifestPath, { ...manifest, dependencies: { ...manifest.dependencies, ...versions } })
      return `${manifestPath}: ${Object.entries(versions).map((it) => it.join("@")).join()}`
    })
  }
}

module.exports = NpmVersionActions
module.exports.afterAllProjectsVersioned = async (cwd, { dryRun }) => {
  if (dryRun) return { changedFiles: [], deletedFiles: [] }
  const lock = ["install", "--package-lock-only", "--ignore-scripts", "--offline", "--silent"]
  execFileSync("npm", lock, { cwd, stdio: "inherit" })
  return { changedFiles: ["package-lock.json"], deletedFiles: [] }
}
