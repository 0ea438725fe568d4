// A process at the other end of a Unix socket: `attest_peer [SCRIPT] SOCKET` does as it is told, a
// letter at a time on its standard input, and answers with '.' when it has.
//   c  connects               w  writes "w"
//   f  writes "f" from a child, and waits for that to end
//   x  becomes /bin/sleep     n  stops being dumpable: others of its user see less of it
//   u  becomes another user (65534), which takes root
//   d  leaves the socket to a child and ends
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

namespace {

bool obey(char order, int socket) {
  switch (order) {
    case 'w':
      return ::write(socket, "w", 1) == 1;
    case 'f': {
      const pid_t child = ::fork();
      if (child == 0) ::_exit(::write(socket, "f", 1) == 1 ? 0 : 1);
      int status = 0;
      return ::waitpid(child, &status, 0) == child && status == 0;
    }
    case 'n':
      return ::prctl(PR_SET_DUMPABLE, 0) == 0;
    case 'u':
      return ::setgid(65534) == 0 && ::setuid(65534) == 0;
    default:
      return false;
  }
}

}  // namespace

int main(int count, char** words) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, words[count - 1], sizeof(name.sun_path) - 1);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  char order = 0;
  while (::read(STDIN_FILENO, &order, 1) == 1) {
    bool done = true;
    if (order == 'c') {
      done = ::connect(socket, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0;
    } else if (order == 'x') {
      ::execl("/bin/sleep", "sleep", "60", nullptr);
      done = false;
    } else if (order == 'd') {
      if (::fork() != 0) return 0;
    } else {
      done = obey(order, socket);
    }
    if (!done || ::write(STDOUT_FILENO, ".", 1) != 1) return 1;
  }
  return 0;
}
