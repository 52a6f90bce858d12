/* What commands are given beside their flags: files, standard input, an answer at a terminal. */
#pragma once

#include "cli/session.h"

/* JSON or YAML of FILE ("-": standard input). NULL and *err. */
json_t *document_read(struct cli *cli, const char *path, struct error *err);

/* The text of FILE ("-": standard input). */
bool text_read(struct cli *cli, const char *path, struct slice *out, struct error *err);

/* Asks at a terminal, unless --quiet; true in a pipe. */
bool confirm(struct cli *cli, const char *question);
