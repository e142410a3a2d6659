/*
 * A VM without an operating system: one vCPU, flat 32-bit code, no paging in the guest.
 *
 * A turn of its program reads pages 0, 1, 2 ... and writes pages 0, 2, 4 ..., as many as it was told;
 * then it counts the turn, in memory that it shares with who looks on.
 */
#define _GNU_SOURCE
#include "proof.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Documentation/virt/kvm/api.rst describes the calls. Guest-physical addresses of the slots: */
#define PROGRAM 0x1000
#define TURNS 0x2000
#define PAGES 0x100000
#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

/* Pages in %esi, how many to read in %ebx, to write in %edx; with %ebp it stops after each turn. */
asm(".pushsection .rodata\n"
    "guest:\n"
    ".code32\n"
    "	mov %esi, %edi\n"
    "	mov %ebx, %ecx\n"
    "1:	jecxz 2f\n"
    "	mov (%edi), %eax\n"
    "	add $4096, %edi\n"
    "	dec %ecx\n"
    "	jmp 1b\n"
    "2:	mov %esi, %edi\n"
    "	mov %edx, %ecx\n"
    "3:	jecxz 4f\n"
    "	incl (%edi)\n"
    "	add $8192, %edi\n"
    "	dec %ecx\n"
    "	jmp 3b\n"
    "4:	incl " TEXT(TURNS) "\n"
    "	test %ebp, %ebp\n"
    "	jz guest\n"
    "	out %al, $0x10\n"
    "	jmp guest\n"
    ".code64\n"
    "guest_end:\n"
    ".popsection\n");
extern const char guest[], guest_end[];

static int must(int result, const char *what)
{
	if (result < 0)
		die("%s: %s", what, strerror(errno));
	return result;
}

static void set_slot(const struct vm *vm, enum vm_slot slot, uint32_t flags)
{
	static const uint64_t gpa[] = { PROGRAM, TURNS, PAGES };
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa[slot],
		.memory_size = vm->pages[slot] * PAGE,
		.userspace_addr = (uint64_t)vm->memory[slot],
	};

	must(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
}

/* Protected mode, flat segments. */
static void set_mode(const struct vm *vm)
{
	struct kvm_segment code = {
		.limit = ~0u, .selector = 8, .present = 1, .type = 11, .db = 1, .s = 1, .g = 1,
	};
	struct kvm_segment data = code;
	struct kvm_sregs sregs;

	data.type = 3;
	data.selector = 16;
	must(ioctl(vm->vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 |= 1;
	must(ioctl(vm->vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
}

struct vm vm_make(char *pages, int count, volatile uint64_t *turns)
{
	struct vm vm = { .pages = { 1, 1, count } };
	int kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");

	vm.run_bytes = must(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	vm.fd = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	vm.memory[VM_PROGRAM] = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(vm.memory[VM_PROGRAM], guest, guest_end - guest);
	vm.memory[VM_TURNS] = (void *)turns;
	vm.memory[VM_PAGES_SLOT] = pages;
	for (int i = 0; i < VM_SLOTS; i++)
		set_slot(&vm, i, 0);
	vm.vcpu = must(ioctl(vm.fd, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	vm.run = mmap(NULL, vm.run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vm.vcpu, 0);
	if (vm.run == MAP_FAILED)
		die("the vCPU's state cannot be mapped");
	set_mode(&vm);
	close(kvm);
	return vm;
}

static void run(const struct vm *vm, int reads, int writes, int stops)
{
	struct kvm_regs regs = {
		.rip = PROGRAM, .rflags = 2, .rsi = PAGES, .rbx = reads, .rdx = writes, .rbp = stops,
	};

	must(ioctl(vm->vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
	while (ioctl(vm->vcpu, KVM_RUN, 0) < 0)
		if (errno != EINTR)
			die("KVM_RUN: %s", strerror(errno));
	if (vm->run->exit_reason != KVM_EXIT_IO)
		die("the guest ended with exit reason %u", vm->run->exit_reason);
}

void vm_turn(const struct vm *vm, int reads, int writes)
{
	run(vm, reads, writes, 1);
}

void vm_turn_for_ever(const struct vm *vm, int reads)
{
	run(vm, reads, 0, 0);
}

void vm_end(struct vm *vm)
{
	munmap(vm->run, vm->run_bytes);
	munmap(vm->memory[VM_PROGRAM], PAGE);
	close(vm->vcpu);
	close(vm->fd);
}

void vm_clear_by_hand(const struct vm *vm)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args = { KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE },
	};

	must(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2");
}

void vm_log_writes(const struct vm *vm)
{
	for (int i = 0; i < VM_SLOTS; i++)
		set_slot(vm, i, KVM_MEM_LOG_DIRTY_PAGES);
}

uint64_t vm_written(const struct vm *vm, enum vm_slot slot)
{
	uint64_t pages = 0;
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = &pages };

	must(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log), "KVM_GET_DIRTY_LOG");
	return pages;
}

void vm_clear(const struct vm *vm, enum vm_slot slot, uint64_t pages)
{
	struct kvm_clear_dirty_log log = {
		.slot = slot, .num_pages = vm->pages[slot], .dirty_bitmap = &pages,
	};

	must(ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &log), "KVM_CLEAR_DIRTY_LOG");
}
