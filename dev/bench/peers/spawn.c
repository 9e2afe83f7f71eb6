/* Runs the NUL-terminated commands on standard input, at most argv[2] concurrently, and does nothing else. argv[1] is "sh"
 * to posix_spawn a shell for each command, "exec" to posix_spawn the program itself, or "fork" to only fork a process that
 * exits. Fails if a command fails. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static pid_t start(const char *how, char *line) {
  char *shell[] = {"sh", "-c", line, NULL};
  char *words[64];
  int count = 0;
  pid_t pid;
  if (how[0] == 'f') {
    pid = fork();
    if (pid == 0) _exit(0);
    return pid;
  }
  if (how[0] == 's') return posix_spawnp(&pid, "sh", NULL, NULL, shell, environ) ? -1 : pid;
  for (char *word = strtok(line, " "); word && count < 63; word = strtok(NULL, " ")) words[count++] = word;
  words[count] = NULL;
  return posix_spawnp(&pid, words[0], NULL, NULL, words, environ) ? -1 : pid;
}

int main(int argc, char **argv) {
  char *line = NULL;
  size_t size = 0;
  int status, failed = 0, running = 0, slots = argc > 2 ? atoi(argv[2]) : 0;
  if (slots < 1) return 2;
  while (getdelim(&line, &size, 0, stdin) > 0) {
    if (running == slots && wait(&status) > 0) {
      failed |= status;
      running--;
    }
    if (start(argv[1], line) < 0) return 1;
    running++;
  }
  while (wait(&status) > 0) failed |= status;
  return failed != 0;
}
