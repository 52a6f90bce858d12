/*
 * Pages of any list: the call's pageSize and pageToken, in the query or in the body. A token is
 * good for the list that it came from: the same path, and the same query and body but for the size
 * of the page. Another one is INVALID_ARGUMENT. It opens nothing: it only says where to go on.
 */
#pragma once

#include "control/call/call.h"

/* What a page has at most, where its method says nothing else. */
enum { PAGE_MOST = 1000 };

/* ---- lists of the record ---- */

struct page {
    const char *kind, *prefix; /* what is listed: store_next() */
    const char *list;          /* name of the answer's list */
    size_t most;               /* items on a page at most; 0: PAGE_MOST */
    size_t usual;              /* where the call does not say how many; 0: most */
    /* *OUT is the item as the API shows it; it stays NULL where the item is not of this list.
     * False and *err end the whole call. */
    bool (*item)(struct api_call *call, const struct store_doc *doc, void *ctx, json_t **out,
                 struct error *err);
    void *ctx;
    bool counted; /* the answer has "totalSize": of all pages */
    bool bare;    /* an empty list is left out of the answer */
};

/* Answers the call with it. */
void api_reply_page(struct api_call *call, const struct page *page);

/* ---- lists of anything else ---- */

struct paging {
    struct api_call *call;
    const char *after; /* key of the last item of the page before; "" for the first page */
    uint64_t query;    /* what tokens of this list begin with */
    size_t size, count;
    const char *last; /* key of the last item of this page */
    bool more;
};

enum paging_step { PAGING_SKIP, PAGING_TAKE, PAGING_STOP };

/* USUAL, MOST: see struct page. */
bool paging_init(struct paging *paging, struct api_call *call, size_t usual, size_t most,
                 struct error *err);
/*
 * For each item that belongs in the list, in the order of keys: whether it is of an earlier page,
 * of this one, or of a later one, after which nothing need be asked.
 */
enum paging_step paging_step(struct paging *paging, const char *key);
/* Says nextPageToken in ANSWER, if there is a next page. */
void paging_put(const struct paging *paging, json_t *answer);
/* The page of LIST (taken), whose items have no keys of their own: their places serve. */
json_t *paging_cut(struct paging *paging, json_t *list);
