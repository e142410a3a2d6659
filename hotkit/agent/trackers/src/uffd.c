/*
 * The scan modes uffd and uffd-async: write protection by userfaultfd, put on another process's memory
 * through a descriptor that the process opened itself (pidfd_getfd(2)).
 *
 * uffd        each first write of a round faults, waits for us, and is let go (since 5.7)
 * uffd-async  the kernel lets it go by itself; PAGEMAP_SCAN says which pages were written and protects
 *             them again, in one call (since 6.7)
 *
 * Documentation/admin-guide/mm/{userfaultfd,pagemap}.rst. Headers of older systems lack some names.
 */
#define _GNU_SOURCE
#include "remote.h"
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WP_UNPOPULATED (1 << 13) /* UFFD_FEATURE_WP_UNPOPULATED, 6.4 */
#define WP_ASYNC (1 << 15)	 /* UFFD_FEATURE_WP_ASYNC, 6.7 */
#define WRITTEN (1ull << 1)	 /* PAGE_IS_WRITTEN */
#define PROTECT_MATCHING (1ull << 0)
#define CHECK_ASYNC (1ull << 1)

struct written {
	uint64_t start, end, categories;
};

struct pagemap_scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define SCAN_IOCTL _IOWR('f', 16, struct pagemap_scan)

static int uffd = -1;

static void ask(unsigned long request, void *argument, const char *what)
{
	if (ioctl(uffd, request, argument))
		die(what);
}

static void protect(uint64_t start, uint64_t length, int on)
{
	struct uffdio_writeprotect wp = {
		.range = { start, length },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	/* A range with a hole that was unmapped meanwhile has nothing to protect there. */
	while (ioctl(uffd, UFFDIO_WRITEPROTECT, &wp))
		if (errno != EAGAIN)
			die("UFFDIO_WRITEPROTECT");
}

void uffd_take(long pid, int fd)
{
	int process = (int)syscall(SYS_pidfd_open, pid, 0);

	if (process < 0 || (uffd = (int)syscall(SYS_pidfd_getfd, process, fd, 0)) < 0)
		die("taking the workload's userfaultfd");
	close(process);
}

void uffd_lend(long pid)
{
	const struct call call = { SYS_userfaultfd, { O_CLOEXEC | O_NONBLOCK } };
	long result;

	remote_open(pid);
	result = remote_call(&call, NULL);
	errno = (int)-result;
	if (result < 0)
		die("userfaultfd in the process");
	printf("%ld\n", result);
}

void uffd_shut(long pid, int fd)
{
	const struct call call = { SYS_close, { (uint64_t)fd } };
	char path[64], target[64];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%ld/fd/%d", pid, fd);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		die(path);
	target[length] = 0;
	if (strcmp(target, "anon_inode:[userfaultfd]"))
		refuse("%s is no userfaultfd", path);
	remote_open(pid);
	errno = (int)-remote_call(&call, NULL);
	if (errno)
		die("closing the userfaultfd");
}

void uffd_open(long pid, int fd, int async)
{
	struct uffdio_api api = { .api = UFFD_API };

	uffd_take(pid, fd);
	if (async)
		api.features = WP_ASYNC | WP_UNPOPULATED;
	else
		api.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP;
	ask(UFFDIO_API, &api, async ? "userfaultfd has no asynchronous write protection"
				    : "userfaultfd has no write protection");
	for (size_t r = 0; r < ranges; r++) {
		struct uffdio_register reg = {
			.range = { range[r].start, range[r].end - range[r].start },
			.mode = UFFDIO_REGISTER_MODE_WP,
		};

		ask(UFFDIO_REGISTER, &reg, "UFFDIO_REGISTER");
	}
}

/* What waits for us is let go by that. */
void uffd_close(void)
{
	for (size_t r = 0; r < ranges; r++) {
		struct uffdio_range all = { range[r].start, range[r].end - range[r].start };

		protect(all.start, all.len, 0);
		ask(UFFDIO_UNREGISTER, &all, "UFFDIO_UNREGISTER");
	}
	close(uffd);
}

int uffd_descriptor(void)
{
	return uffd;
}

/* One message: a first write to a page. */
void uffd_fault(void)
{
	struct uffd_msg message[64];
	ssize_t got = read(uffd, message, sizeof(message));

	for (ssize_t i = 0; i < got / (ssize_t)sizeof(*message); i++) {
		uint64_t address, index = 0;

		if (message[i].event != UFFD_EVENT_PAGEFAULT)
			continue;
		address = message[i].arg.pagefault.address & ~(PAGE - 1);
		for (size_t r = 0; r < ranges; r++) {
			if (address >= range[r].start && address < range[r].end)
				saw_pages(index + (address - range[r].start) / PAGE, 1), positive++;
			index += (range[r].end - range[r].start) / PAGE;
		}
		protect(address, PAGE, 0);
	}
}

/* A round: all pages are protected anew, and those that were already stay so. */
void uffd_look(int unused, int asking)
{
	(void)unused;
	for (size_t r = 0; r < ranges; r++)
		protect(range[r].start, range[r].end - range[r].start, 1);
	if (asking)
		examined += pages;
}

/* Some kernels scan the empty memory of a process that is gone, and find nothing; reading ends there. */
static void still_there(void)
{
	uint64_t entry;

	if (pread(pagemap, &entry, 8, (off_t)(range[0].start / PAGE * 8)) != 8) {
		errno = ESRCH;
		die("PAGEMAP_SCAN");
	}
}

void uffd_async_look(int unused, int asking)
{
	static struct written vec[4096];
	uint64_t index = 0;

	(void)unused;
	for (size_t r = 0; r < ranges; r++) {
		struct pagemap_scan arg = {
			.size = sizeof(arg), .flags = PROTECT_MATCHING | CHECK_ASYNC,
			.start = range[r].start, .end = range[r].end, .vec = (uintptr_t)vec,
			.vec_len = sizeof(vec) / sizeof(*vec),
			.category_mask = WRITTEN, .return_mask = WRITTEN,
		};

		while (arg.start < range[r].end) {
			int count = ioctl(pagemap, SCAN_IOCTL, &arg);

			if (count < 0)
				die("PAGEMAP_SCAN");
			for (int i = 0; asking && i < count; i++) {
				uint64_t written = (vec[i].end - vec[i].start) / PAGE;

				saw_pages(index + (vec[i].start - range[r].start) / PAGE, written);
				positive += written;
			}
			arg.start = arg.walk_end;
		}
		index += (range[r].end - range[r].start) / PAGE;
	}
	still_there();
	if (asking)
		examined += pages;
}
