/* Pages of any list: the call's pageSize and pageToken, in the query or in the body. */
#pragma once

#include "control/call/call.h"

struct paging {
    struct api_call *call;
    const char *after; /* key of the last item of the page before; "" for the first page */
    size_t size, count;
    const char *last; /* key of the last item of this page */
    bool more;
};

enum paging_step { PAGING_SKIP, PAGING_TAKE, PAGING_STOP };

/* MOST: what a page has at most, and has where the call says nothing. */
bool paging_init(struct paging *paging, struct api_call *call, size_t most, struct error *err);
/*
 * For each item that belongs in the list, in the order of keys: whether it is of an earlier page,
 * of this one, or of a later one, after which nothing need be asked.
 */
enum paging_step paging_step(struct paging *paging, const char *key);
/* Says nextPageToken in ANSWER, if there is a next page. */
void paging_put(const struct paging *paging, json_t *answer);
/* The page of LIST (taken), whose items have no keys of their own: their places serve. */
json_t *paging_cut(struct paging *paging, json_t *list);
