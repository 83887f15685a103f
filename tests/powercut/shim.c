/*
 * Records what a process asks the disk to do, in order, so that a power cut at any point can be replayed.
 *
 * Preloaded into the workload by tests/src/powercut. It watches the files below TENANTRY_TRACE_ROOT and appends one
 * record a call to TENANTRY_TRACE_FILE. A write to the file TENANTRY_TRACE_ACK is a mark: "this was acknowledged".
 * One lock is held over the real call and its record, so the order of records is an order in which it happened.
 *
 * TENANTRY_FAULT="write|sync FIRST COUNT ERRNO" makes calls fail instead: COUNT of them from the FIRST on, with ERRNO.
 * A sync that fails leaves everything as it was, and so does a write, as on a disk that is full.
 *
 * Memory maps are not seen. SQLite is run with mmap_size=0, and its -shm file is rebuilt after a crash anyway.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* The same numbers as in tests/src/powercut/trace.rs. */
enum { OP_OPEN = 1, OP_WRITE, OP_TRUNCATE, OP_SYNC, OP_UNLINK, OP_RENAME, OP_ACK };
enum { OPEN_CREATED = 1, OPEN_FOLDER = 2 };
enum { MAX_FD = 4096, MAX_FILES = 4096, ACK_ID = UINT32_MAX };

struct record { uint32_t op, id; uint64_t offset, length; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int trace = -1;
static const char *root, *ack;
static uint32_t fds[MAX_FD];
static struct { char *path; uint32_t id; } files[MAX_FILES];
static uint32_t file_count, next_id = 1;

struct fault { unsigned long first, count, seen; int error; };
static struct fault bad_writes, bad_syncs;

/* Called with the lock held. */
static int fails(struct fault *fault)
{
	if (!fault->count)
		return 0;
	fault->seen++;
	if (fault->seen < fault->first || fault->seen >= fault->first + fault->count)
		return 0;
	errno = fault->error;
	return 1;
}

static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);
static int (*real_rename)(const char *, const char *);

static void *next(const char *name)
{
	void *symbol = dlsym(RTLD_NEXT, name);
	if (!symbol)
		abort();
	return symbol;
}

__attribute__((constructor)) static void start(void)
{
	real_openat = next("openat");
	real_close = next("close");
	real_write = next("write");
	real_pwrite = next("pwrite");
	real_ftruncate = next("ftruncate");
	real_fsync = next("fsync");
	real_fdatasync = next("fdatasync");
	real_unlink = next("unlink");
	real_rename = next("rename");
	root = getenv("TENANTRY_TRACE_ROOT");
	ack = getenv("TENANTRY_TRACE_ACK");
	const char *path = getenv("TENANTRY_TRACE_FILE");
	const char *fault = getenv("TENANTRY_FAULT");
	if (fault) {
		struct fault f = { 0 };
		char kind[8];
		if (sscanf(fault, "%7s %lu %lu %d", kind, &f.first, &f.count, &f.error) != 4)
			abort();
		*(strcmp(kind, "sync") == 0 ? &bad_syncs : &bad_writes) = f;
	}
	if (root && ack && path)
		trace = real_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void put(const void *data, size_t length)
{
	const char *at = data;
	while (length > 0) {
		ssize_t n = real_write(trace, at, length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			abort(); /* a trace with a hole would prove things that did not happen */
		at += n;
		length -= (size_t)n;
	}
}

static void record(uint32_t op, uint32_t id, uint64_t offset, const void *data, uint64_t length)
{
	struct record r = { op, id, offset, length };
	put(&r, sizeof r);
	if (length)
		put(data, length);
}

static int watched(const char *path)
{
	size_t n = root ? strlen(root) : 0;
	return trace >= 0 && path && strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == 0);
}

static uint32_t fd_id(int fd)
{
	return fd >= 0 && fd < MAX_FD ? fds[fd] : 0;
}

static uint32_t *id_of(const char *path)
{
	for (uint32_t i = 0; i < file_count; i++)
		if (files[i].path && strcmp(files[i].path, path) == 0)
			return &files[i].id;
	if (file_count == MAX_FILES)
		abort();
	files[file_count].path = strdup(path);
	files[file_count].id = next_id++;
	return &files[file_count++].id;
}

static void forget(const char *path)
{
	for (uint32_t i = 0; i < file_count; i++)
		if (files[i].path && strcmp(files[i].path, path) == 0) {
			free(files[i].path);
			files[i].path = NULL;
		}
}

static int traced_open(int dir, const char *path, int flags, mode_t mode)
{
	if (trace < 0 || !path)
		return real_openat(dir, path, flags, mode);
	if (strcmp(path, ack) == 0) {
		int fd = real_openat(dir, path, flags, mode);
		if (fd >= 0 && fd < MAX_FD)
			fds[fd] = ACK_ID;
		return fd;
	}
	if (!watched(path))
		return real_openat(dir, path, flags, mode);
	pthread_mutex_lock(&lock);
	struct stat st;
	int existed = stat(path, &st) == 0;
	int fd = real_openat(dir, path, flags, mode);
	int saved = errno;
	if (fd >= MAX_FD)
		abort();
	if (fd >= 0 && fstat(fd, &st) == 0) {
		if (!existed)
			forget(path);
		fds[fd] = *id_of(path);
		uint64_t kind = (existed ? 0 : OPEN_CREATED) | (S_ISDIR(st.st_mode) ? OPEN_FOLDER : 0);
		record(OP_OPEN, fds[fd], kind, path, strlen(path));
		if (existed && (flags & O_TRUNC))
			record(OP_TRUNCATE, fds[fd], 0, NULL, 0);
	}
	pthread_mutex_unlock(&lock);
	errno = saved;
	return fd;
}

static mode_t mode_of(int flags, va_list args)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = mode_of(flags, args);
	va_end(args);
	return traced_open(AT_FDCWD, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = mode_of(flags, args);
	va_end(args);
	return traced_open(dir, path, flags, mode);
}

int open64(const char *, int, ...) __attribute__((alias("open")));
int openat64(int, const char *, int, ...) __attribute__((alias("openat")));

int close(int fd)
{
	if (fd >= 0 && fd < MAX_FD && fds[fd]) {
		pthread_mutex_lock(&lock);
		fds[fd] = 0;
		int result = real_close(fd);
		pthread_mutex_unlock(&lock);
		return result;
	}
	return real_close(fd);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
	uint32_t id = fd_id(fd);
	if (!id)
		return real_pwrite(fd, data, length, offset);
	pthread_mutex_lock(&lock);
	ssize_t n = fails(&bad_writes) ? -1 : real_pwrite(fd, data, length, offset);
	int saved = errno;
	if (n > 0)
		record(OP_WRITE, id, (uint64_t)offset, data, (uint64_t)n);
	pthread_mutex_unlock(&lock);
	errno = saved;
	return n;
}

ssize_t pwrite64(int, const void *, size_t, off_t) __attribute__((alias("pwrite")));

ssize_t write(int fd, const void *data, size_t length)
{
	uint32_t id = fd_id(fd);
	if (!id)
		return real_write(fd, data, length);
	pthread_mutex_lock(&lock);
	off_t offset = 0;
	if (id != ACK_ID)
		offset = fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
	ssize_t n = real_write(fd, data, length);
	int saved = errno;
	if (n > 0)
		record(id == ACK_ID ? OP_ACK : OP_WRITE, id, (uint64_t)offset, data, (uint64_t)n);
	pthread_mutex_unlock(&lock);
	errno = saved;
	return n;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	ssize_t sum = 0;
	for (int i = 0; i < count; i++) {
		ssize_t n = write(fd, parts[i].iov_base, parts[i].iov_len);
		if (n < 0)
			return sum ? sum : n;
		sum += n;
		if ((size_t)n < parts[i].iov_len)
			break;
	}
	return sum;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	ssize_t sum = 0;
	for (int i = 0; i < count; i++) {
		ssize_t n = pwrite(fd, parts[i].iov_base, parts[i].iov_len, offset + sum);
		if (n < 0)
			return sum ? sum : n;
		sum += n;
		if ((size_t)n < parts[i].iov_len)
			break;
	}
	return sum;
}

ssize_t pwritev64(int, const struct iovec *, int, off_t) __attribute__((alias("pwritev")));

int ftruncate(int fd, off_t size)
{
	uint32_t id = fd_id(fd);
	if (!id)
		return real_ftruncate(fd, size);
	pthread_mutex_lock(&lock);
	int result = real_ftruncate(fd, size);
	int saved = errno;
	if (result == 0)
		record(OP_TRUNCATE, id, (uint64_t)size, NULL, 0);
	pthread_mutex_unlock(&lock);
	errno = saved;
	return result;
}

int ftruncate64(int, off_t) __attribute__((alias("ftruncate")));

static int traced_sync(int fd, int (*real)(int))
{
	uint32_t id = fd_id(fd);
	if (!id)
		return real(fd);
	pthread_mutex_lock(&lock);
	int result = fails(&bad_syncs) ? -1 : real(fd);
	int saved = errno;
	if (result == 0)
		record(OP_SYNC, id, 0, NULL, 0);
	pthread_mutex_unlock(&lock);
	errno = saved;
	return result;
}

int fsync(int fd)
{
	return traced_sync(fd, real_fsync);
}

int fdatasync(int fd)
{
	return traced_sync(fd, real_fdatasync);
}

int unlink(const char *path)
{
	if (!watched(path))
		return real_unlink(path);
	pthread_mutex_lock(&lock);
	int result = real_unlink(path);
	int saved = errno;
	if (result == 0) {
		record(OP_UNLINK, 0, 0, path, strlen(path));
		forget(path);
	}
	pthread_mutex_unlock(&lock);
	errno = saved;
	return result;
}

int rename(const char *from, const char *to)
{
	if (!watched(from) && !watched(to))
		return real_rename(from, to);
	pthread_mutex_lock(&lock);
	int result = real_rename(from, to);
	int saved = errno;
	if (result == 0) {
		char both[2 * PATH_MAX];
		size_t a = strlen(from), b = strlen(to);
		if (a + b + 1 > sizeof both)
			abort();
		memcpy(both, from, a + 1);
		memcpy(both + a + 1, to, b);
		record(OP_RENAME, 0, 0, both, a + 1 + b);
		forget(to);
		for (uint32_t i = 0; i < file_count; i++)
			if (files[i].path && strcmp(files[i].path, from) == 0) {
				free(files[i].path);
				files[i].path = strdup(to);
			}
	}
	pthread_mutex_unlock(&lock);
	errno = saved;
	return result;
}

/* In-kernel copies would pass by unseen; refusing them makes every caller fall back to read and write. */
ssize_t copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t length, unsigned flags)
{
	(void)in, (void)in_at, (void)out, (void)out_at, (void)length, (void)flags;
	errno = ENOSYS;
	return -1;
}

ssize_t sendfile64(int out, int in, off_t *at, size_t length)
{
	(void)out, (void)in, (void)at, (void)length;
	errno = ENOSYS;
	return -1;
}
