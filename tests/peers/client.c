/* client PORT TEXT...: socket, connect to 127.0.0.1, send each text as a line, shutdown, recv until FIN, print. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void check(int ok, const char *what) {
  if (!ok) {
    perror(what);
    exit(1);
  }
}

int main(int argc, char **argv) {
  struct sockaddr_in address = {0};
  char buffer[4096];
  ssize_t size;
  int fd, i;

  if (argc < 2) return 2;
  address.sin_family = AF_INET;
  address.sin_port = htons((unsigned short)atoi(argv[1]));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

  check((fd = socket(AF_INET, SOCK_STREAM, 0)) >= 0, "socket");
  check(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
  for (i = 2; i < argc; i++) {
    check(send(fd, argv[i], strlen(argv[i]), 0) == (ssize_t)strlen(argv[i]), "send");
    check(send(fd, "\n", 1, 0) == 1, "send");
  }
  check(shutdown(fd, SHUT_WR) == 0, "shutdown");
  while ((size = recv(fd, buffer, sizeof buffer, 0)) > 0) fwrite(buffer, 1, (size_t)size, stdout);
  check(size == 0, "recv");
  check(close(fd) == 0, "close");
  return 0;
}
