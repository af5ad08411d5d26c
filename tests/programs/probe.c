/* A program that tells how it was started, and does a few things that are asked of it. */

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

/* Text that is looked for where the program must not be found. */
static const char mark[] = "only this very program says: lantern under the stairs";

static void copy_lines(const char *path, const char *beginning) {
    char line[4096];
    FILE *file = fopen(path, "r");
    if (!file) return;
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, beginning, strlen(beginning))) fputs(line, stdout);
    fclose(file);
}

static void descriptors(void) {
    /* Asked one by one: a listing would have to open a descriptor itself. */
    for (int fd = 0; fd < 64; fd++) {
        char link[64], target[4096];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, target, sizeof target);
        if (length >= 0) printf("descriptor %d: %.*s\n", fd, (int)length, target);
    }
}

static int report(char **argv) {
    char folder[4096];
    for (int i = 0; argv[i]; i++) printf("argument %d: %s\n", i, argv[i]);
    for (char **variable = environ; *variable; variable++) printf("variable: %s\n", *variable);
    descriptors();
    printf("folder: %s\n", getcwd(folder, sizeof folder));
    copy_lines("/proc/self/status", "SigBlk");
    copy_lines("/proc/self/status", "SigIgn");
    copy_lines("/proc/self/status", "SigCgt");
    copy_lines("/proc/self/limits", "Max");
    printf("dumpable: %d\n", prctl(PR_GET_DUMPABLE));
    return 0;
}

static volatile sig_atomic_t asked_to_end;

static void end(int signal) {
    (void)signal;
    asked_to_end = 1;
}

/* Waits for SIGTERM, as a service does. */
static int serve(void) {
    sigset_t term, before;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &before);
    signal(SIGTERM, end);
    printf("serving as %d\n", (int)getpid());
    fflush(stdout);
    while (!asked_to_end) sigsuspend(&before);
    puts("asked to end");
    return 42;
}

static int copy(void) {
    int c;
    while ((c = getchar()) != EOF) putchar(c);
    return 0;
}

/* The most memory that this process ever had, in KiB, whatever program it was then. */
static int peak(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%ld\n", usage.ru_maxrss);
    return 0;
}

int main(int argc, char **argv) {
    const char *task = argc > 1 ? argv[1] : "";
    if (!strcmp(task, "report")) return report(argv);
    if (!strcmp(task, "exit")) return atoi(argv[2]);
    if (!strcmp(task, "abort")) abort();
    if (!strcmp(task, "serve")) return serve();
    if (!strcmp(task, "copy")) return copy();
    if (!strcmp(task, "peak")) return peak();
    puts(mark);
    return 0;
}
