/* server: socket, bind to a free port of 127.0.0.1, listen, print the port, accept one, recv and send back until FIN. */
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

int main(void) {
  struct sockaddr_in address = {0};
  socklen_t length = sizeof address;
  char buffer[4096];
  ssize_t size, sent, done;
  int listener, fd;

  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

  check((listener = socket(AF_INET, SOCK_STREAM, 0)) >= 0, "socket");
  check(bind(listener, (struct sockaddr *)&address, sizeof address) == 0, "bind");
  check(listen(listener, 1) == 0, "listen");
  check(getsockname(listener, (struct sockaddr *)&address, &length) == 0, "getsockname");
  printf("listening %d\n", ntohs(address.sin_port));
  fflush(stdout);

  check((fd = accept(listener, NULL, NULL)) >= 0, "accept");
  while ((size = recv(fd, buffer, sizeof buffer, 0)) > 0)
    for (done = 0; done < size; done += sent)
      check((sent = send(fd, buffer + done, (size_t)(size - done), 0)) > 0, "send");
  check(size == 0, "recv");
  check(send(fd, "goodbye\n", 8, 0) == 8, "send");
  check(close(fd) == 0, "close");
  check(close(listener) == 0, "close");
  return 0;
}
