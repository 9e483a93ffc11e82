import assert from 'node:assert/strict';
import { inspectPicture } from '#src/features/branding/picture.ts';
import { jpegOf, PNG_1X1, pngOf, webpOf } from '#test/support/pictures.ts';

describe('what a picture is', () => {
  it('is told by its bytes: PNG, JPEG and the three kinds of WebP, with their size', () => {
    assert.deepEqual(inspectPicture(PNG_1X1), { type: 'image/png', width: 1, height: 1 });
    assert.deepEqual(inspectPicture(pngOf(640, 200)), { type: 'image/png', width: 640, height: 200 });
    assert.deepEqual(inspectPicture(jpegOf(300, 150)), { type: 'image/jpeg', width: 300, height: 150 });
    for (const kind of ['VP8 ', 'VP8L', 'VP8X'] as const)
      assert.deepEqual(inspectPicture(webpOf(kind, 320, 90)), { type: 'image/webp', width: 320, height: 90 }, kind);
  });

  it('refuses what is none, what is cut off, and what has something before or after it', () => {
    const script = Buffer.from('<script>alert(1)</script>');
    const wrong: Record<string, Buffer> = {
      nothing: Buffer.alloc(0),
      text: Buffer.from('hello, this is a picture, believe me, of a cat, on a mat'),
      SVG: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><rect width="10" height="10"/></svg>'),
      GIF: Buffer.from('47494638396101000100800000000000ffffff2c00000000010001000002024401003b', 'hex'),
      'a PNG that is cut off': pngOf(10, 10).subarray(0, 40),
      'a PNG with a page behind it': Buffer.concat([pngOf(10, 10), script]),
      'a PNG with a second end behind a page': Buffer.concat([pngOf(10, 10), script, pngOf(10, 10).subarray(-12)]),
      'a page before a PNG': Buffer.concat([script, pngOf(10, 10)]),
      'a PNG without width': pngOf(0, 10),
      'a JPEG that is cut off': jpegOf(10, 10).subarray(0, -2),
      'a JPEG with a page behind it': Buffer.concat([jpegOf(10, 10), script]),
      'a JPEG without a frame': Buffer.from('ffd8ffe000104a46494600010100000100010000ffd9', 'hex'),
      'a WebP with a page behind it': Buffer.concat([webpOf('VP8X', 10, 10), script]),
      'a WebP of an unknown kind': Buffer.from(webpOf('VP8X', 10, 10).toString('latin1').replace('VP8X', 'VP9X'), 'latin1'),
    };
    for (const [name, bytes] of Object.entries(wrong)) assert.equal(inspectPicture(bytes), undefined, name);
  });

  it('never throws, whatever the bytes are', () => {
    const good = [pngOf(5, 5), jpegOf(5, 5), webpOf('VP8 ', 5, 5), webpOf('VP8L', 5, 5), webpOf('VP8X', 5, 5)];
    for (const bytes of good)
      for (let at = 0; at < bytes.length; at += 1)
        for (const value of [0x00, 0xff, bytes[at]! ^ 0x80]) {
          const changed = Buffer.from(bytes);
          changed[at] = value;
          assert.doesNotThrow(() => inspectPicture(changed));
          assert.doesNotThrow(() => inspectPicture(changed.subarray(0, at)));
        }
  });
});
