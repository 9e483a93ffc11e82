/** The logos of a tenant, by their ids. */
export interface Logos {
  tenant: string | null;
  /** By the client's id. */
  clients: Readonly<Record<string, string>>;
}

export interface LogoCache {
  of(tenantId: string): Promise<Logos>;
  /** After a change of ours: the next question reads again. */
  drop(tenantId: string): void;
}

export type PictureType = 'image/png' | 'image/jpeg' | 'image/webp';

/** Where pages find a logo; the address changes with the picture. */
export const logoUrl = (id: string): string => `/assets/images/${id}`;
