// A gnuplot script in the making. Everything is placed in pixels or data units that we compute, so that labels can keep clear of each other.
// Names never reach gnuplot: a text that is not plain letters, digits and a few signs goes in as a token and is put back into the SVG, escaped.
// Private to reports/.
#ifndef JB_REPORTS_CANVAS_H
#define JB_REPORTS_CANVAS_H

#include "base/strbuf.h"
#include <stdbool.h>
#include <stddef.h>

// Colours are roles; the SVG carries the light ones, the page maps them to variables for dark mode (reports/svg.c).
enum jb_color {
    JB_INK, JB_DIM, JB_GRID, JB_PAPER, JB_FRONT, JB_BLUE, JB_RED, JB_PURPLE, JB_GREEN, JB_AMBER, JB_SKY, JB_ON_LIGHT, JB_ON_DARK,
    JB_RAMP0, JB_RAMP1, JB_RAMP2, JB_RAMP3, JB_RAMP4, JB_RAMP5, JB_N_COLORS
};
struct jb_color_row { const char *name; unsigned char light[3], dark[3]; };
extern const struct jb_color_row jb_colors[JB_N_COLORS];

struct jb_texts { char **s; size_t n, cap; bool failed; }; // what the tokens stand for
void jb_texts_free(struct jb_texts *t);

struct jb_box { double x0, y0, x1, y1; int weight; };

struct jb_canvas {
    struct jb_str s;            // script
    struct jb_str *data;        // data file, shared by the sizes of one plot; written by the first
    bool write_data;
    size_t n_blocks;            // blocks of the data file used so far by this size
    struct jb_texts *texts;
    const char *name;           // of the plot
    double w, h;                // picture, pixels
    double left, right, top, bottom; // plot area, pixels from the picture's left and top
    double x0, x1, y0, y1;      // data ranges
    bool log_x;
    struct jb_str plot;         // the plot command's elements
    struct jb_box *boxes; size_t n_boxes, cap_boxes;
    bool failed;
};

enum jb_align { JB_LEFT, JB_CENTER, JB_RIGHT };

void jb_canvas_free(struct jb_canvas *c);
// Writes the head of the script: terminal, output, margins and ranges from the fields above.
void jb_canvas_begin(struct jb_canvas *c, const char *output);
void jb_canvas_end(struct jb_canvas *c); // the plot command
double jb_canvas_x(const struct jb_canvas *c, double x); // data to pixels
double jb_canvas_y(const struct jb_canvas *c, double y);
bool jb_canvas_inside(const struct jb_canvas *c, double x, double y);

double jb_text_width(const char *text, double size); // estimate, pixels
void jb_canvas_text(struct jb_canvas *c, double px, double py, enum jb_align align, double size, enum jb_color color, bool bold, const char *text);
void jb_canvas_mark(struct jb_canvas *c, double px, double py, int point_type, double point_size, enum jb_color color);
void jb_canvas_line(struct jb_canvas *c, double px0, double py0, double px1, double py1, double width, bool dashed, enum jb_color color);
void jb_canvas_xtick(struct jb_canvas *c, double x, const char *text);
void jb_canvas_ytick(struct jb_canvas *c, double y, const char *text);

// Series: open a block, add rows, close it with what gnuplot does with it ("with lines lw 2 lc rgb ...").
void jb_canvas_block(struct jb_canvas *c, const char *comment);
__attribute__((format(printf, 2, 3))) void jb_canvas_row(struct jb_canvas *c, const char *format, ...);
void jb_canvas_row_tip(struct jb_canvas *c, double x, double y, const char *tip); // a point that shows text when pointed at
void jb_canvas_style(struct jb_canvas *c, const char *using_columns, enum jb_color color, const char *style);

// Labels that keep clear: boxes are what they avoid.
void jb_canvas_avoid(struct jb_canvas *c, double px, double py, double half_w, double half_h, int weight);
void jb_canvas_avoid_line(struct jb_canvas *c, double px0, double py0, double px1, double py1);
// Puts text near a point where it covers least; leaves it out if it is not `must` and would cover something that matters. Returns whether it stands.
bool jb_canvas_label(struct jb_canvas *c, double px, double py, double size, enum jb_color color, bool bold, bool must, const char *text);

#endif
