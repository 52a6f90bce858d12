/*
 * The metadata server: what Google's client libraries ask for project, region and the tokens of the
 * default runtime account when they find no key file. For programs of this machine; it holds no
 * key, and asks control for every token.
 */
#pragma once

/* Entry of the role: argv as exec gave it. Returns the exit status. */
int metadata_main(int argc, char **argv);
