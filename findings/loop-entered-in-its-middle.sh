#!/usr/bin/env bash
# Linux 6.1 and 6.12 (Debian 12's own and its backport): whether the verifier takes a bounded loop depends on the order in
# which a compiler has put its blocks.
#
# Expected beforehand: that bounded loops are accepted since Linux 5.3, whatever they look like, so that a program which
# a new kernel loads has nothing in its loops that an older one objects to. Seen: the same three-step loop is loaded by 6.1 where
# its last instruction jumps back to its head; where the loop is entered by a jump to its condition, which then stands last, and the
# body before it ends in no jump, 6.1 refuses it ("back-edge from insn 2 to 3"; nothing was followed yet, 0 insns
# processed), and 6.12 loads it. LLVM's block placement makes the second form of an ordinary `while` when it thinks that pays, and the
# next version, or another loop beside it, may change its mind. A program that is to run on Debian 12's kernel has to be
# tried there, or its control flow checked for this shape.
#
# Uses Debian's packages: two kernels (fetched, not installed), qemu-system-x86 and gcc, which have to be there. The kernels
# run in an emulated machine, x86-64, without KVM or root. Fails if any of this is otherwise.
set -euo pipefail
kernels=(linux-image-6.1.0-56-amd64=6.1.192-2 linux-image-6.12.115+deb12-amd64=6.12.115-2~deb12u1)
expected=("jumps back: loaded|entered in its middle: refused" "jumps back: loaded|entered in its middle: loaded")
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"

cat >init.c <<'C'
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

static char log_text[65536];

static void try(const char *name, const struct bpf_insn *code, unsigned count) {
    union bpf_attr attribute;
    memset(&attribute, 0, sizeof attribute);
    memset(log_text, 0, sizeof log_text);
    attribute.prog_type = BPF_PROG_TYPE_XDP;
    attribute.insn_cnt = count;
    attribute.insns = (unsigned long)code;
    attribute.license = (unsigned long)"GPL";
    attribute.log_buf = (unsigned long)log_text;
    attribute.log_size = sizeof log_text;
    attribute.log_level = 1;
    long descriptor = syscall(SYS_bpf, BPF_PROG_LOAD, &attribute, sizeof attribute);
    printf("RESULT %s: %s\n", name, descriptor >= 0 ? "loaded" : "refused");
    if (descriptor < 0)
        printf("%s\n", log_text);
}

int main(void) {
    /* r0 = 3; head: if r0 == 0 leave; r0 -= 1; jump to the head; leave: r0 = 2; exit */
    const struct bpf_insn back[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 3},
        {.code = BPF_JMP | BPF_JEQ | BPF_K, .off = 2},
        {.code = BPF_ALU64 | BPF_SUB | BPF_K, .imm = 1},
        {.code = BPF_JMP | BPF_JA, .off = -3},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 2},
        {.code = BPF_JMP | BPF_EXIT},
    };
    /* r0 = 3; jump to the condition; body: r0 -= 1; condition: if r0 != 0 to the body; r0 = 2; exit */
    const struct bpf_insn middle[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 3},
        {.code = BPF_JMP | BPF_JA, .off = 1},
        {.code = BPF_ALU64 | BPF_SUB | BPF_K, .imm = 1},
        {.code = BPF_JMP | BPF_JNE | BPF_K, .off = -2},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 2},
        {.code = BPF_JMP | BPF_EXIT},
    };
    try("jumps back", back, sizeof back / sizeof *back);
    try("entered in its middle", middle, sizeof middle / sizeof *middle);
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
}
C
mkdir root
gcc -static -O1 -o root/init init.c
(cd root && echo init | cpio --create --format=newc --quiet) >initrd

good=true
for number in "${!kernels[@]}"; do
    package=${kernels[number]}
    apt-get download --quiet "$package" >/dev/null 2>&1 || { echo "cannot fetch $package"; exit 1; }
    dpkg-deb --extract ./*.deb "kernel$number" && rm ./*.deb
    image=$(echo "kernel$number"/boot/vmlinuz-*)
    timeout 300 qemu-system-x86_64 -accel tcg -cpu max -m 512 -nographic -no-reboot -nic none \
        -kernel "$image" -initrd initrd -append "console=ttyS0 quiet panic=-1" >said 2>&1 </dev/null || true
    seen=$(tr -d '\r' <said | sed -n 's/^.*RESULT //p' | paste -sd'|')
    echo "${image##*/vmlinuz-}: ${seen//|/, }"
    tr -d '\r' <said | grep -a "back-edge" | sed 's/^/    /' || true
    [ "$seen" = "${expected[number]}" ] || good=false
done
$good && echo "as described" || { echo "not as described"; exit 1; }
