/* Makes the disk fail under a process: preloaded, it refuses calls on files below KS_FAULTS_DIR as the file that KS_FAULTS_CONTROL
 * names says in its first byte: 0 nothing, 1 the disk is full, 2 it is read-only, 3 nothing can be synced. The file is mapped, so
 * that the test turns a fault on and off while the process runs. Its next eight bytes count the calls that were refused.
 * A full disk still takes what was allocated before, the file that KS_FAULTS_SPARED names; a read-only one takes nothing. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NOTHING, FULL, READ_ONLY, NO_SYNC };
struct control { _Atomic unsigned char fault; char unused[7]; _Atomic unsigned long refused; };

static struct control none;
static struct control *control = &none;
static const char *folder, *spared;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("KS_FAULTS_CONTROL");
    folder = getenv("KS_FAULTS_DIR");
    spared = getenv("KS_FAULTS_SPARED");
    int file = path && folder ? open(path, O_RDWR) : -1;
    if (file < 0) return;
    void *shared = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (shared != MAP_FAILED) control = shared;
}

static int is_below(const char *path) { return folder && strncmp(path, folder, strlen(folder)) == 0; }

static int refuse(int error) {
    atomic_fetch_add(&control->refused, 1);
    errno = error;
    return 1;
}

static int refused(const char *path, int syncs) {
    int fault = atomic_load_explicit(&control->fault, memory_order_relaxed);
    if (!is_below(path)) return 0;
    switch (fault) {
    case FULL: return !syncs && !(spared && strcmp(path, spared) == 0) && refuse(ENOSPC);
    case READ_ONLY: return !syncs && refuse(EROFS);
    case NO_SYNC: return syncs && refuse(EIO);
    default: return 0;
    }
}

static int refused_file(int file, int syncs) {
    char link[64], path[4096];
    if (atomic_load_explicit(&control->fault, memory_order_relaxed) == NOTHING) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return refused(path, syncs);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *bytes, size_t size) { return refused_file(file, 0) ? -1 : NEXT(write)(file, bytes, size); }
ssize_t pwrite(int file, const void *bytes, size_t size, off_t at) { return refused_file(file, 0) ? -1 : NEXT(pwrite)(file, bytes, size, at); }
ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t at) { return refused_file(file, 0) ? -1 : NEXT(pwrite64)(file, bytes, size, at); }
ssize_t writev(int file, const struct iovec *parts, int count) { return refused_file(file, 0) ? -1 : NEXT(writev)(file, parts, count); }
int ftruncate(int file, off_t size) { return refused_file(file, 0) ? -1 : NEXT(ftruncate)(file, size); }
int ftruncate64(int file, off64_t size) { return refused_file(file, 0) ? -1 : NEXT(ftruncate64)(file, size); }
int fsync(int file) { return refused_file(file, 1) ? -1 : NEXT(fsync)(file); }
int fdatasync(int file) { return refused_file(file, 1) ? -1 : NEXT(fdatasync)(file); }

/* Who opens a file for writing is refused by a disk that is read-only; who makes one, by a full one too. */
static int refused_open(const char *path, int flags) {
    int fault = atomic_load_explicit(&control->fault, memory_order_relaxed);
    if (fault == READ_ONLY && (flags & (O_ACCMODE | O_CREAT | O_TRUNC)) != O_RDONLY) return refused(path, 0);
    if (fault == FULL && (flags & O_CREAT) && access(path, F_OK) != 0) return refused(path, 0);
    return 0;
}

#define OPEN(name)                                             \
    int name(const char *path, int flags, ...) {               \
        va_list more;                                          \
        va_start(more, flags);                                 \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more);                                          \
        return refused_open(path, flags) ? -1 : NEXT(name)(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)
