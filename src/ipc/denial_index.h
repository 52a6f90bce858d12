/*
 * Where refusals stand in the request log: a bounded file beside it (DATA/log/denials.index), which
 * workers write through the descriptor that they were handed, and control reads. A denial's id is
 * random, and chooses its place in the file by a hash: finding one costs one read, however many
 * there are. The oldest entries of a place are written over.
 *
 * An entry is a hint: the reader compares the id with the one in the log. So a torn or lost entry,
 * or one whose log is gone, leads to no wrong answer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum {
    DENIAL_PLACES = 1 << 17,
    DENIAL_ENTRIES = 16,  /* of a place */
    DENIAL_FOUND_MAX = 4, /* entries that one id is looked for in */
    /* How far behind the offset of an entry its line may begin: other workers write too. */
    DENIAL_SLACK = 8 << 20,
};

struct denial_entry {
    uint64_t tag;    /* hash of the id; 0: the entry is free */
    uint32_t time_s; /* since 1970: the oldest is written over */
    uint32_t file;   /* low bits of the log's inode number */
    uint32_t offset; /* of the log, in bytes: the line begins here, or up to DENIAL_SLACK later */
    uint32_t spare;
};

/* Records that the line of the denial ID is at ENTRY; sets the entry's tag. False if the file
 * cannot be written: then the denial can only be explained from its log line. */
bool denial_index_put(int fd, struct slice id, struct denial_entry entry);

/* Finds the entries that may be of ID, newest first; returns how many. */
unsigned denial_index_find(int fd, struct slice id, struct denial_entry out[DENIAL_FOUND_MAX]);
