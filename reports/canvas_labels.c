// Direct labels: each is tried at places around its point and stands where it covers least.
#include "reports/canvas.h"

#include <math.h>
#include <stdlib.h>

void jb_canvas_avoid(struct jb_canvas *c, double px, double py, double half_w, double half_h, int weight)
{
    if (c->n_boxes == c->cap_boxes) {
        size_t cap = c->cap_boxes ? c->cap_boxes * 2 : 256;
        struct jb_box *b = realloc(c->boxes, cap * sizeof *b);
        if (!b) {
            c->failed = true;
            return;
        }
        c->boxes = b;
        c->cap_boxes = cap;
    }
    c->boxes[c->n_boxes++] = (struct jb_box){px - half_w, py - half_h, px + half_w, py + half_h, weight};
}

void jb_canvas_avoid_line(struct jb_canvas *c, double px0, double py0, double px1, double py1)
{
    double length = hypot(px1 - px0, py1 - py0);
    int n = length < 4000 ? (int)(length / 7) + 1 : 1;
    for (int i = 0; i <= n; i++)
        jb_canvas_avoid(c, px0 + (px1 - px0) * i / n, py0 + (py1 - py0) * i / n, 2, 2, 2);
}

static double cover(const struct jb_canvas *c, const struct jb_box *b)
{
    double cost = 0;
    if (b->x0 < c->left - 4 || b->x1 > c->w - 4 || b->y0 < c->top - 8 || b->y1 > c->bottom - 1)
        return 1e9;
    for (size_t i = 0; i < c->n_boxes; i++) {
        const struct jb_box *o = &c->boxes[i];
        if (o->x0 < b->x1 && o->x1 > b->x0 && o->y0 < b->y1 && o->y1 > b->y0)
            cost += o->weight;
    }
    return cost;
}

bool jb_canvas_label(struct jb_canvas *c, double px, double py, double size, enum jb_color color, bool bold, bool must, const char *text)
{
    // Direction from the point: right, left, above, below and between, near first.
    static const struct { double dx, dy; } WAY[] = {{1, 0}, {-1, 0}, {0, -1}, {0, 1}, {1, -1}, {-1, -1}, {1, 1}, {-1, 1}};
    double w = jb_text_width(text, size) * (bold ? 1.1 : 1), h = size * 1.05, best = 1e9, bx = 0, by = 0;
    for (double far = 9; far <= (must ? 90 : 50); far += 8) {
        for (size_t k = 0; k < sizeof WAY / sizeof *WAY; k++) {
            double diagonal = WAY[k].dx != 0 && WAY[k].dy != 0 ? 0.75 : 1;
            double cx = px + WAY[k].dx * (far * diagonal + w / 2), cy = py + WAY[k].dy * (far * diagonal + h / 2);
            if (WAY[k].dx == 0) // above and below, a label may slide
                cx = fmax(c->left + w / 2, fmin(cx, c->w - 5 - w / 2));
            struct jb_box b = {cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, 0};
            double cost = cover(c, &b) + far / 30 + (double)k / 100;
            if (cost < best) {
                best = cost;
                bx = cx;
                by = cy;
            }
        }
    }
    if (best >= 1e9 || (!must && best > 7))
        return false;
    if (hypot(fmax(fabs(bx - px) - w / 2, 0), fmax(fabs(by - py) - h / 2, 0)) > 20) { // far off: a thin line leads to it
        double ex = px < bx - w / 2 ? bx - w / 2 - 2 : px > bx + w / 2 ? bx + w / 2 + 2 : px;
        double ey = py < by - h / 2 ? by - h / 2 : py > by + h / 2 ? by + h / 2 : py;
        jb_canvas_line(c, px, py, ex, ey, 0.8, false, JB_DIM);
    }
    jb_canvas_text(c, bx, by, JB_CENTER, size, color, bold, text);
    jb_canvas_avoid(c, bx, by, w / 2 + 3, h / 2 + 2, 12);
    return true;
}
