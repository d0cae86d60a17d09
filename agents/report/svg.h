// SvgCanvas: a picture built of few kinds of shapes, legible on light and on dark ground. Shapes
// have no colors but parts to play ("ink", "accent"), whose colors the picture's style sheet gives
// for both. Thread-compatible.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace troupe {

// What a shape plays; each has a color on light and one on dark ground.
enum class SvgPart { kInk, kMuted, kGrid, kGround, kAccent, kGood, kBad, kQuiet };

struct SvgPoint {
  double x = 0;
  double y = 0;
};

enum class SvgAnchor { kStart, kMiddle, kEnd };

struct SvgText {
  double size = 12;
  SvgAnchor anchor = SvgAnchor::kStart;
  SvgPart part = SvgPart::kInk;
  bool bold = false;
  double turned = 0;  // degrees, about the point it stands at
};

struct SvgStroke {
  SvgPart part = SvgPart::kInk;
  double width = 1;
  bool dashed = false;
};

class SvgCanvas {
 public:
  // `title` is what is read out where the picture cannot be seen.
  SvgCanvas(double width, double height, std::string_view title);

  void Line(SvgPoint from, SvgPoint to, SvgStroke stroke);
  void Polyline(const std::vector<SvgPoint>& points, SvgStroke stroke);
  // A curve that leaves and arrives level.
  void Curve(SvgPoint from, SvgPoint to, SvgStroke stroke);
  // Several in a row, as one line.
  void Curves(const std::vector<SvgPoint>& points, SvgStroke stroke);
  void Area(const std::vector<SvgPoint>& points, SvgPart part, double opacity);
  void Rectangle(SvgPoint corner, double width, double height, SvgPart part, double opacity = 1);
  // The same with a rim; `tip` is shown when it is pointed at, up to 600 letters of it.
  void Box(SvgPoint corner, double width, double height, SvgPart fill, double opacity,
           SvgStroke rim, std::string_view tip);
  // Filled, with a rim where `rim` has a width; `tip` is shown when it is pointed at.
  void Circle(SvgPoint center, double radius, SvgPart fill, SvgStroke rim,
              std::string_view tip = "");
  // `text` is escaped; it is cut to `max_letters` with an ellipsis (0: not cut).
  void Text(SvgPoint at, std::string_view text, const SvgText& style, size_t max_letters = 0);

  std::string Finish() const;

 private:
  double width_;
  double height_;
  std::string title_;
  std::string shapes_;
};

inline constexpr double kFigureWidth = 860;

// The style of labels of axes.
SvgText SmallText(SvgAnchor anchor = SvgAnchor::kMiddle);

void AddHeading(SvgCanvas& canvas, std::string_view title, std::string_view subtitle);

}  // namespace troupe
