/* The smallest program that can be seen to run: it prints "ran", and ends with status 9. */

#if defined(__x86_64__)
    .globl _start
_start:
    mov $1, %eax
    mov $1, %edi
    lea text(%rip), %rsi
    mov $4, %edx
    syscall
    mov $60, %eax
    mov $9, %edi
    syscall
#elif defined(__aarch64__)
    .globl _start
_start:
    mov x8, 64
    mov x0, 1
    adr x1, text
    mov x2, 4
    svc 0
    mov x8, 93
    mov x0, 9
    svc 0
#else
#error "no instructions for this machine"
#endif
text:
    .ascii "ran\n"
