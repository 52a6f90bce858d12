/*
 * The engine: the process that starts instances, watches them, and decides how many there are.
 * It speaks to control (what to check, what is gone), to the workers (who waits), to the
 * supervisor, and through the board to everybody. It parses nothing from outside.
 */
#pragma once

/* Runs until it is told to drain. The status to exit with. */
int engine_main(int argc, char **argv);
