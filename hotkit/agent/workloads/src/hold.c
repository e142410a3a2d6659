/* What a tracker needs the workload to have done itself: a userfaultfd, memory that cannot move. */
#define _GNU_SOURCE
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define BUFFER (1ull << 30) /* io_uring takes no longer one */

/* -1 where it is not allowed: only a tracker that needs it minds. Nothing is registered with it. */
int open_userfaultfd(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	errno = 0;
	return fd < 0 ? -1 : fd;
}

/*
 * Registered buffers of io_uring are pinned (FOLL_PIN | FOLL_LONGTERM): reclaim and migration find them,
 * try, and leave them where they are. The ring is never used. The program's other pages are locked, which
 * takes them off the lists that reclaim looks at.
 */
void make_unmovable(void *memory, uint64_t size)
{
	struct io_uring_params params = {0};
	int ring = (int)syscall(SYS_io_uring_setup, 1, &params);
	uint64_t count = (size + BUFFER - 1) / BUFFER;
	struct iovec *parts = calloc(count, sizeof(*parts));

	if (mlockall(MCL_CURRENT) || munlock(memory, size))
		die("--unmovable: mlockall");
	if (ring < 0 || !parts)
		die("--unmovable: no io_uring (kernel.io_uring_disabled?)");
	for (uint64_t i = 0; i < count; i++) {
		parts[i].iov_base = (char *)memory + i * BUFFER;
		parts[i].iov_len = i + 1 == count ? size - i * BUFFER : BUFFER;
	}
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, parts, (unsigned)count))
		die("--unmovable: io_uring does not pin the memory");
	free(parts);
}
