// GPT-2's bytes_to_unicode: the 188 bytes that print in Latin-1 stand for themselves, the 68 others for U+0100 and up, in order.
#ifndef JB_WORKLOADS_TEXT_BYTES_H
#define JB_WORKLOADS_TEXT_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint32_t jb_byte_char(uint8_t byte);
int jb_char_byte(uint32_t code_point);             // -1: no byte has this character
size_t jb_byte_spell(uint8_t byte, char out[2]);   // its character in UTF-8: 1 or 2 bytes

#endif
