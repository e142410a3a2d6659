/*
 * The slots of a VM's memory: found, and their dirty log turned on and off.
 *
 * A log is turned on by KVM_SET_USER_MEMORY_REGION with the slot's id and all of it as it is. Nothing lists a
 * VM's slots. The caller tells the sections of guest memory (--slot), and their ids are found by trying. From
 * kvm_set_memory_region() (virt/kvm/kvm_main.c), what a wrong id brings with the section's own numbers:
 *   - another slot with other memory, or of another size: EINVAL, before anything else
 *   - no slot has it: the slot would be made, or a slot with the same memory elsewhere be moved. Both fail
 *     with EEXIST when a slot of another id is in the way. We make sure that one is, for any id, by asking
 *     first whether the first and the last page of the section lie in slots: the one that would be moved
 *     cannot hold both, unless it is the section's own.
 * So only the right id succeeds, and changes nothing but the flag.
 *
 * With a dirty ring nothing tells whether a slot's log is on: who turns it on has to know.
 *
 * That question is a try as well: one page, by an id that no VMM uses, with memory that is in no slot. EEXIST
 * is the answer that we hope for. Else the section is none (any more), and the page is taken back at once.
 */
#define _GNU_SOURCE
#include "kvm.h"
#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IDS 512 /* VMMs count from 0 */
#define SPARE_IDS 8

struct slot slot[SLOTS];
size_t slots;
uint64_t scratch;
int kvm_by_ring;
static int vm;
static uint32_t spare_id; /* that of the last try */

void kvm_add_slot(const char *text)
{
	struct slot *s = &slot[slots];
	char *rest;

	errno = E2BIG;
	if (slots == SLOTS)
		die("--slot");
	s->gpa = strtoull(text, &rest, 0);
	s->bytes = *rest == ':' ? strtoull(rest + 1, &rest, 0) : 0;
	s->hva = *rest == ':' ? strtoull(rest + 1, &rest, 0) : 1;
	errno = EINVAL;
	if (*rest || !s->bytes || (s->gpa | s->bytes | s->hva) % PAGE || s->hva + s->bytes < s->hva)
		die(text);
	for (struct slot *other = slot; other < s; other++)
		if (s->hva < other->hva + other->bytes && other->hva < s->hva + s->bytes)
			refuse("two of --slot are the same memory");
	slots++;
}

void must(long result, const char *what)
{
	errno = (int)-result;
	if (result < 0)
		die(what);
}

static struct call vm_call(unsigned long request, uint64_t argument)
{
	return (struct call){ SYS_ioctl, { (uint64_t)vm, request, argument } };
}

long vm_ioctl(unsigned long request, uint64_t argument, const struct undo *undo)
{
	const struct call call = vm_call(request, argument);

	return remote_call(&call, undo);
}

/* Sets a slot, and how to undo that; EEXIST and EINVAL are answers, other errors are none. */
static long set(const struct kvm_userspace_memory_region *region, const struct undo *undo)
{
	long result;

	remote_write(AT(region), region, sizeof(*region));
	result = vm_ioctl(KVM_SET_USER_MEMORY_REGION, AT(region), undo);
	if (result != -EEXIST && result != -EINVAL)
		must(result, "KVM_SET_USER_MEMORY_REGION");
	return result;
}

/* Whether a page of the guest's memory lies in a slot. */
static int in_slot(uint64_t gpa)
{
	struct kvm_userspace_memory_region one = {
		.guest_phys_addr = gpa, .memory_size = PAGE, .userspace_addr = BITMAP,
	};
	const struct undo removal = { vm_call(KVM_SET_USER_MEMORY_REGION, AT(removal)), NO_CALL, NO_CALL, 0 };
	long ids = vm_ioctl(KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS, NULL);

	must(ids, "KVM_CHECK_EXTENSION");
	for (long id = ids - 1; id >= IDS && id >= ids - SPARE_IDS; id--) {
		struct kvm_userspace_memory_region none = one;
		long result;

		spare_id = one.slot = none.slot = (uint32_t)id;
		none.memory_size = 0;
		remote_write(AT(removal), &none, sizeof(none));
		result = set(&one, &removal);
		if (result >= 0)
			must(remote_undo(), "removing a slot again");
		if (result != -EINVAL) /* this id is somebody's */
			return result == -EEXIST;
	}
	refuse("this VM uses the highest ids for its memory: it is not known how to find its slots");
}

/* 1 or 0: a slot's log is on or off; -1: there can be no such slot. Clearing no page changes nothing, whereas
 * KVM_GET_DIRTY_LOG may take from whom reads the log what it has to know. */
static int is_logged(uint32_t id)
{
	const struct kvm_clear_dirty_log none = { .slot = id };
	long result;

	remote_write(AT(clear), &none, sizeof(none));
	result = vm_ioctl(KVM_CLEAR_DIRTY_LOG, AT(clear), NULL);
	if (kvm_by_ring && result != -ENXIO)
		refuse("the VM has no dirty ring but a log: by: log");
	if (kvm_by_ring)
		return 0;
	if (result == -ENXIO)
		refuse("the VM has a dirty ring instead of a log: by: ring");
	if (result == -EINVAL)
		return -1;
	if (result != -ENOENT)
		must(result, "KVM_CLEAR_DIRTY_LOG");
	return result >= 0;
}

/* Finds a section's slot in the VM and turns its log on; returns whether it is there. */
static int turn_on(struct slot *s)
{
	const uint64_t off_at = AT(off[s - slot]), check_at = AT(check[s - slot]);
	const uint64_t page_at = AT(page[s - slot]);
	/* To set a slot that the VM has given up meanwhile would be to make it. With a ring one page is tried,
	 * as in in_slot(), for want of a log to ask for. */
	const struct undo of_log = { vm_call(KVM_SET_USER_MEMORY_REGION, off_at),
				     vm_call(KVM_CLEAR_DIRTY_LOG, check_at), NO_CALL, 0 };
	const struct undo of_ring = { of_log.call, vm_call(KVM_SET_USER_MEMORY_REGION, page_at),
				      vm_call(KVM_SET_USER_MEMORY_REGION, AT(no_page)), -EEXIST };
	const struct undo *undo = kvm_by_ring ? &of_ring : &of_log;
	struct kvm_userspace_memory_region page = {
		.guest_phys_addr = s->gpa, .memory_size = PAGE, .userspace_addr = BITMAP,
	};
	struct kvm_userspace_memory_region on = {
		.flags = KVM_MEM_LOG_DIRTY_PAGES, .guest_phys_addr = s->gpa, .memory_size = s->bytes,
		.userspace_addr = s->hva,
	};

	if (!in_slot(s->gpa) || !in_slot(s->gpa + s->bytes - PAGE))
		return 0;
	page.slot = spare_id;
	remote_write(page_at, &page, sizeof(page));
	page.memory_size = 0;
	remote_write(AT(no_page), &page, sizeof(page));
	for (on.slot = 0; on.slot < IDS; on.slot++) {
		const struct kvm_clear_dirty_log check = { .slot = on.slot };
		struct kvm_userspace_memory_region off = on;
		int logged = is_logged(on.slot);

		if (logged < 0)
			break;
		off.flags = 0;
		remote_write(off_at, &off, sizeof(off));
		remote_write(check_at, &check, sizeof(check));
		if (set(&on, logged ? NULL : undo) < 0)
			continue;
		if (logged)
			refuse("the VM's dirty log is on: it is being migrated, or tracked by another");
		s->id = on.slot;
		return 1;
	}
	return 0;
}

/* The descriptors of VMs of the process; returns how many. */
static int find_vms(long pid, int *found, int most)
{
	char path[300], target[64];
	struct dirent *entry;
	int count = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%ld/fd", pid);
	folder = opendir(path);
	if (!folder)
		die(path);
	while ((entry = readdir(folder)) && count < most) {
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/%ld/fd/%s", pid, entry->d_name);
		length = readlink(path, target, sizeof(target) - 1);
		target[length < 0 ? 0 : length] = 0;
		if (!strcmp(target, "anon_inode:kvm-vm"))
			found[count++] = atoi(entry->d_name);
	}
	closedir(folder);
	return count;
}

void kvm_find(long pid, size_t bitmap_bytes)
{
	const uint64_t bytes = ARGUMENTS_BYTES + bitmap_bytes + PAGE;
	const struct undo unmap = { { SYS_munmap, { RESULT, bytes } }, NO_CALL, NO_CALL, 0 };
	const struct call map = { SYS_mmap, { 0, bytes, PROT_READ | PROT_WRITE,
					      MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0 } };
	struct call guard = { SYS_mprotect, { 0, PAGE, PROT_NONE } };
	int vms[16], count = find_vms(pid, vms, 16), which = 0;
	long mapped;

	_Static_assert(sizeof(struct arguments) <= ARGUMENTS_BYTES, "the bitmap begins behind");
	if (!count)
		refuse("the process has no VM of KVM (no descriptor anon_inode:kvm-vm)");
	mapped = remote_call(&map, &unmap);
	must(mapped, "memory in the process");
	scratch = (uint64_t)mapped;
	/* Should an id stand for a larger slot one day, its bitmap must not overwrite what is behind ours. */
	guard.argument[0] = scratch + bytes - PAGE;
	must(remote_call(&guard, NULL), "memory in the process");
	for (struct slot *s = slot; s < slot + slots; s++) {
		int found;

		/* Of several VMs it is the one that has the first section. */
		while (vm = vms[which], !(found = turn_on(s)) && s == slot && which < count - 1)
			which++;
		if (!found)
			refuse("no slot of the VM is the section %#llx:%#llx:%#llx",
			       (unsigned long long)s->gpa, (unsigned long long)s->bytes,
			       (unsigned long long)s->hva);
	}
}
