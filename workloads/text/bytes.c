#include "workloads/text/bytes.h"

// Bytes that do not print lie in three runs: 0x00-0x20, 0x7f-0xa0, and 0xad alone.
uint32_t jb_byte_char(uint8_t byte)
{
    if (byte <= 0x20)
        return 0x100u + byte;
    if (byte >= 0x7f && byte <= 0xa0)
        return 0x121u + (byte - 0x7fu);
    return byte == 0xad ? 0x143u : byte;
}

int jb_char_byte(uint32_t code_point)
{
    if (code_point >= 0x100 && code_point <= 0x120)
        return (int)(code_point - 0x100);
    if (code_point >= 0x121 && code_point <= 0x142)
        return (int)(code_point - 0x121 + 0x7f);
    if (code_point == 0x143)
        return 0xad;
    return code_point < 0x100 && jb_byte_char((uint8_t)code_point) == code_point ? (int)code_point : -1;
}

size_t jb_byte_spell(uint8_t byte, char out[2])
{
    uint32_t c = jb_byte_char(byte);
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    out[0] = (char)(0xc0 | c >> 6);
    out[1] = (char)(0x80 | (c & 0x3f));
    return 2;
}
