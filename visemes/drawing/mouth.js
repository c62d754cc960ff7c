// The mouths of mouth.py on a canvas. A classic script: it defines the one global VisemillMouth.
//
//   const mouth = VisemillMouth.create(table);     // table: the JSON of visemes.drawing.table()
//   mouth.draw(context, x, y, size, {M: 0.7, Ah: 0.3});
//   mouth.shapes                                   // the names of the twelve classes
//   mouth.points({M: 1})                           // x, y, x, y … of all curves, for tests
//
// x, y: the middle of the square, in the context's units; size: its side. weights: classes to
// shares, of any sum above 0; an unknown class or no share above 0 throws a RangeError.
"use strict";

const VisemillMouth = (() => {
  function blended(table, weights) {
    const names = Object.keys(weights);
    let sum = 0;
    for (const name of names) {
      if (!Object.hasOwn(table.shapes, name)) throw new RangeError(`no such mouth: ${name}`);
      if (!(weights[name] >= 0)) throw new RangeError(`no share: ${weights[name]}`);
      sum += weights[name];
    }
    if (!(sum > 0 && sum < Infinity)) throw new RangeError("no share is above 0");
    const points = new Float64Array(Object.values(table.shapes)[0].length);
    for (const name of names) {
      const shape = table.shapes[name];
      const share = weights[name] / sum;
      if (share) for (let i = 0; i < points.length; i++) points[i] += share * shape[i];
    }
    return points;
  }

  function path(points, layer) {
    const curve = new Path2D();
    let at = 2 * layer.start;
    curve.moveTo(points[at], points[at + 1]);
    for (let n = 0; n < layer.cubics; n++) {
      at += 6;
      curve.bezierCurveTo(...points.subarray(at - 4, at + 2));
    }
    if (layer.closed) curve.closePath();
    return curve;
  }

  function create(table) {
    function draw(context, x, y, size, weights) {
      const points = blended(table, weights);
      const opening = path(points, table.layers[0]);
      context.save();
      context.translate(x, y);
      context.scale(size / 2, size / 2);
      context.lineCap = "round";
      const opacity = context.globalAlpha;
      for (const layer of table.layers) {
        context.save();
        if (layer.inside) context.clip(opening);
        context.globalAlpha = opacity * layer.opacity;
        context.fillStyle = context.strokeStyle = layer.colour;
        context.lineWidth = layer.width;
        const curve = path(points, layer);
        if (layer.closed) context.fill(curve);
        else context.stroke(curve);
        context.restore();
      }
      context.restore();
    }
    return { draw, shapes: Object.keys(table.shapes), points: (w) => blended(table, w) };
  }

  return { create };
})();
