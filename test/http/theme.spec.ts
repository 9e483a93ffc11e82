import assert from 'node:assert/strict';
import { contrast, isColor, themeAt, themeColors, themeCss, themeUrl } from '#src/http/theme.ts';

const GROUNDS = { light: ['#ffffff', '#f6f7f9', '#f1f2f6'], dark: ['#171a20', '#0e1014', '#1f232b'] } as const;
const STEPS = [0, 51, 102, 153, 204, 255].map((part) => part.toString(16).padStart(2, '0'));
const COLORS = STEPS.flatMap((red) => STEPS.flatMap((green) => STEPS.map((blue) => `#${red}${green}${blue}`)));

describe('the theme of a colour', () => {
  it('computes contrast as WCAG does', () => {
    assert.equal(contrast('#000000', '#ffffff'), 21);
    assert.equal(contrast('#777777', '#ffffff').toFixed(2), '4.48');
    assert.equal(contrast('#123456', '#123456'), 1);
  });

  for (const scheme of ['light', 'dark'] as const)
    it(`${scheme}: every colour gives text of 4.5:1 and edges of 3:1, wherever they stand`, () => {
      const faults: string[] = [];
      for (const color of COLORS) {
        const { accent, accentStrong, onAccent, link, edge } = themeColors(color, scheme);
        assert.equal(accent, color, 'the colour on the button is the one that was chosen');
        if (contrast(onAccent, accent) < 4.5) faults.push(`${color}: text on the button`);
        if (contrast(onAccent, accentStrong) < 4.5) faults.push(`${color}: text on the button under the pointer`);
        for (const ground of GROUNDS[scheme]) {
          if (contrast(link, ground) < 4.5) faults.push(`${color}: link on ${ground}`);
          if (contrast(edge ?? accent, ground) < 3) faults.push(`${color}: edge on ${ground}`);
        }
      }
      assert.deepEqual(faults, []);
    });

  it('leaves a colour alone that is legible already', () => {
    assert.deepEqual(themeColors('#0b5fa5', 'light'), {
      accent: '#0b5fa5',
      accentStrong: '#09528e',
      onAccent: '#ffffff',
      link: '#0b5fa5',
      edge: undefined,
    });
  });

  it('has an address of six digits and nothing else, so that no setting gets into a page or a stylesheet', () => {
    const hostile = ['#12345', '#1234567', '#12345g', 'red', '#fff', '#000;}', '#000000;}*{display:none', '"><script>', '#000000\n', ''];
    for (const text of hostile) {
      assert.equal(isColor(text), false, text);
      assert.equal(themeUrl(text), undefined, text);
    }
    const url = themeUrl('#AABBCC')!;
    assert.match(url, /^\/assets\/theme-aabbcc-[0-9a-f]{8}\.css$/);
    assert.deepEqual(themeAt(url), { css: themeCss('#aabbcc'), current: true });
    assert.equal(themeAt('/assets/theme-aabbcc-00000000.css')?.current, false);
    for (const path of ['/assets/theme-aabbc-00000000.css', '/assets/theme-aabbcc-00000000.css/', '/assets/theme-aabbcc;x-00000000.css'])
      assert.equal(themeAt(path), undefined, path);
    assert.doesNotMatch(themeCss('#aabbcc'), /url\(|@import|expression|[<>\\]/);
  });
});
