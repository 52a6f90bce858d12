/* The program's version, from meson.build. */
#pragma once

#ifndef HOMERUN_VERSION
#define HOMERUN_VERSION "0"
#endif
