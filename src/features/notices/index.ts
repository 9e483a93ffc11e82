export type NoticeKind = 'terms' | 'privacy';

/** What people are asked to agree to at a tenant: the newest published one of its kind. */
export interface CurrentNotice {
  id: string;
  kind: NoticeKind;
  /** The version, as people read it. */
  label: string;
  url: string;
  urls: NoticeUrls;
}

/** By language of the catalogue, where the text is elsewhere in that one. */
export type NoticeUrls = Readonly<Record<string, string>>;

/** Where somebody who reads `locale` reads it. */
export const urlOfNotice = ({ url, urls }: Pick<CurrentNotice, 'url' | 'urls'>, locale: string): string =>
  Object.hasOwn(urls, locale) ? (urls[locale] ?? url) : url;

export interface NoticeCache {
  /** What holds at a tenant now: at most one of each kind. */
  of(tenantId: string): Promise<readonly CurrentNotice[]>;
  /** After a change of ours: the next question reads again. */
  drop(tenantId: string): void;
}

/** What somebody agreed to, and whether that still holds. */
export interface Agreement {
  noticeId: string;
  kind: NoticeKind;
  label: string;
  url: string;
  urls: NoticeUrls;
  tenantId: string;
  tenantName: string;
  agreedAt: Date;
  withdrawnAt: Date | undefined;
}
