/* Starts a program for which no file system has files without a name: the kernel refuses O_TMPFILE. */

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* O_TMPFILE without O_DIRECTORY, which is part of it. Flags are in the lower half of an argument. */
#define TMPFILE 020000000

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))

/* Refuses a call, none but this one, if an argument of it has the flag. */
#define REFUSE(call, argument)                                      \
    LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3),      \
        LOAD(argument), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, TMPFILE, 0, 1), \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP)

int main(int count, char **arguments) {
    (void)count;
    struct sock_filter filter[] = {
        REFUSE(__NR_openat, args[2]),
#ifdef __NR_open
        REFUSE(__NR_open, args[1]),
#endif
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("cannot refuse O_TMPFILE");
        return 125;
    }
    execv(arguments[1], arguments + 1);
    perror(arguments[1]);
    return 125;
}
