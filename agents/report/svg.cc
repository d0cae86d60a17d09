#include "agents/report/svg.h"

#include <fmt/format.h>

namespace troupe {
namespace {

// Renderers that know no media queries show the light colors.
constexpr std::string_view kStyle = R"(<style>
text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}
.ink{fill:#1f2328}.muted{fill:#59636e}.grid{fill:#d8dee4}.ground{fill:#ffffff}
.accent{fill:#0969da}.good{fill:#1a7f37}.bad{fill:#cf222e}.quiet{fill:#afb8c1}
.s-ink{stroke:#1f2328}.s-muted{stroke:#59636e}.s-grid{stroke:#d8dee4}.s-ground{stroke:#ffffff}
.s-accent{stroke:#0969da}.s-good{stroke:#1a7f37}.s-bad{stroke:#cf222e}.s-quiet{stroke:#afb8c1}
@media (prefers-color-scheme:dark){
.ink{fill:#e6edf3}.muted{fill:#9198a1}.grid{fill:#30363d}.ground{fill:#0d1117}
.accent{fill:#4493f8}.good{fill:#3fb950}.bad{fill:#f85149}.quiet{fill:#59636e}
.s-ink{stroke:#e6edf3}.s-muted{stroke:#9198a1}.s-grid{stroke:#30363d}.s-ground{stroke:#0d1117}
.s-accent{stroke:#4493f8}.s-good{stroke:#3fb950}.s-bad{stroke:#f85149}.s-quiet{stroke:#59636e}}
</style>
)";

std::string_view NameOf(SvgPart part) {
  switch (part) {
    case SvgPart::kInk:
      return "ink";
    case SvgPart::kMuted:
      return "muted";
    case SvgPart::kGrid:
      return "grid";
    case SvgPart::kGround:
      return "ground";
    case SvgPart::kAccent:
      return "accent";
    case SvgPart::kGood:
      return "good";
    case SvgPart::kBad:
      return "bad";
    case SvgPart::kQuiet:
      return "quiet";
  }
  return "ink";
}

// Models write some of it: nothing of it may become markup, or a character that XML forbids.
std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '&') {
      escaped += "&amp;";
    } else if (c == '<') {
      escaped += "&lt;";
    } else if (c == '>') {
      escaped += "&gt;";
    } else if (c == '"') {
      escaped += "&quot;";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      escaped += ' ';
    } else {
      escaped += c;
    }
  }
  return escaped;
}

bool IsInsideCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

std::string Cut(std::string_view text, size_t max_letters) {
  size_t letters = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (IsInsideCharacter(text[i])) continue;
    if (max_letters > 0 && letters == max_letters) return std::string(text.substr(0, i)) + "…";
    ++letters;
  }
  return std::string(text);
}

std::string StrokeOf(const SvgStroke& stroke) {
  return fmt::format("class=\"s-{}\" stroke-width=\"{:.4g}\" fill=\"none\"{}", NameOf(stroke.part),
                     stroke.width, stroke.dashed ? " stroke-dasharray=\"4 3\"" : "");
}

std::string PointsOf(const std::vector<SvgPoint>& points) {
  std::string text;
  for (const SvgPoint& point : points) {
    text += fmt::format("{}{:.1f},{:.1f}", text.empty() ? "" : " ", point.x, point.y);
  }
  return text;
}

std::string_view AnchorName(SvgAnchor anchor) {
  if (anchor == SvgAnchor::kMiddle) return "middle";
  return anchor == SvgAnchor::kEnd ? "end" : "start";
}

}  // namespace

SvgCanvas::SvgCanvas(double width, double height, std::string_view title)
    : width_(width), height_(height), title_(title) {}

void SvgCanvas::Line(SvgPoint from, SvgPoint to, SvgStroke stroke) {
  shapes_ += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n",
                         from.x, from.y, to.x, to.y, StrokeOf(stroke));
}

void SvgCanvas::Polyline(const std::vector<SvgPoint>& points, SvgStroke stroke) {
  shapes_ += fmt::format("<polyline points=\"{}\" stroke-linejoin=\"round\" {}/>\n",
                         PointsOf(points), StrokeOf(stroke));
}

void SvgCanvas::Curve(SvgPoint from, SvgPoint to, SvgStroke stroke) { Curves({from, to}, stroke); }

void SvgCanvas::Curves(const std::vector<SvgPoint>& points, SvgStroke stroke) {
  if (points.empty()) return;
  std::string path = fmt::format("M{:.1f},{:.1f}", points[0].x, points[0].y);
  for (size_t i = 1; i < points.size(); ++i) {
    const SvgPoint& from = points[i - 1];
    const SvgPoint& to = points[i];
    const double middle = (from.x + to.x) / 2;
    path += fmt::format(" C{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}", middle, from.y, middle, to.y,
                        to.x, to.y);
  }
  shapes_ += fmt::format("<path d=\"{}\" {}/>\n", path, StrokeOf(stroke));
}

void SvgCanvas::Area(const std::vector<SvgPoint>& points, SvgPart part, double opacity) {
  shapes_ += fmt::format("<polygon points=\"{}\" class=\"{}\" fill-opacity=\"{:.3g}\"/>\n",
                         PointsOf(points), NameOf(part), opacity);
}

void SvgCanvas::Rectangle(SvgPoint corner, double width, double height, SvgPart part,
                          double opacity) {
  shapes_ += fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"2\" class=\"{}\" "
      "fill-opacity=\"{:.3g}\"/>\n",
      corner.x, corner.y, width, height, NameOf(part), opacity);
}

void SvgCanvas::Box(SvgPoint corner, double width, double height, SvgPart fill, double opacity,
                    SvgStroke rim, std::string_view tip) {
  shapes_ += fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"4\" class=\"{} "
      "s-{}\" fill-opacity=\"{:.3g}\" stroke-width=\"{:.4g}\"{}><title>{}</title></rect>\n",
      corner.x, corner.y, width, height, NameOf(fill), NameOf(rim.part), opacity, rim.width,
      rim.dashed ? " stroke-dasharray=\"4 3\"" : "", Escaped(Cut(tip, 600)));
}

void SvgCanvas::Circle(SvgPoint center, double radius, SvgPart fill, SvgStroke rim,
                       std::string_view tip) {
  shapes_ += fmt::format(
      "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" class=\"{} s-{}\" "
      "stroke-width=\"{:.4g}\"{}>"
      "<title>{}</title></circle>\n",
      center.x, center.y, radius, NameOf(fill), NameOf(rim.part), rim.width,
      rim.dashed ? " stroke-dasharray=\"3 2\"" : "", Escaped(Cut(tip, 200)));
}

void SvgCanvas::Text(SvgPoint at, std::string_view text, const SvgText& style, size_t max_letters) {
  const std::string turned =
      style.turned == 0
          ? ""
          : fmt::format(" transform=\"rotate({:.4g} {:.1f} {:.1f})\"", style.turned, at.x, at.y);
  shapes_ += fmt::format(
      "<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{:.4g}\" text-anchor=\"{}\" class=\"{}\"{}{}>{}"
      "</text>\n",
      at.x, at.y, style.size, AnchorName(style.anchor), NameOf(style.part),
      style.bold ? " font-weight=\"600\"" : "", turned, Escaped(Cut(text, max_letters)));
}

std::string SvgCanvas::Finish() const {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "viewBox=\"0 0 {0:.0f} {1:.0f}\" role=\"img\">\n<title>{2}</title>\n{3}"
      "<rect width=\"{0:.0f}\" height=\"{1:.0f}\" class=\"ground\"/>\n{4}</svg>\n",
      width_, height_, Escaped(title_), kStyle, shapes_);
}

SvgText SmallText(SvgAnchor anchor) {
  return {.size = 11, .anchor = anchor, .part = SvgPart::kMuted};
}

void AddHeading(SvgCanvas& canvas, std::string_view title, std::string_view subtitle) {
  canvas.Text({20, 28}, title, {.size = 16, .bold = true});
  canvas.Text({20, 47}, subtitle, {.size = 12, .part = SvgPart::kMuted}, 125);
}

}  // namespace troupe
