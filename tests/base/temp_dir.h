// A directory of its own below build/ for a test program.
#ifndef JB_TESTS_BASE_TEMP_DIR_H
#define JB_TESTS_BASE_TEMP_DIR_H

// Creates it; the name stands in `out` (64 bytes).
void temp_dir_make(char *out);
// Removes it with all that it holds.
void temp_dir_remove(const char *dir);
// Writes DIR/NAME with this content, with the directories that it needs.
void temp_dir_put(const char *dir, const char *name, const void *data, unsigned long n);
// Number of entries in it.
int temp_dir_count(const char *dir);

#endif
