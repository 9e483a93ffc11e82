/**
 * What the invited person is shown of an invitation, whichever tenant it is of; an invitation that is sent again counts again; and which
 * domains are due to be looked up once more.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    -- Expired is what the clock says, whatever 'status' still says.
    create function invitation_shown(i invitations) returns jsonb language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select jsonb_build_object('id', i.id, 'tenantId', t.id, 'tenant', t.name, 'tenantStatus', t.status, 'email', i.email, 'emailKey', i.email_key,
          'status', case when i.status = 'pending' and i.expires_at <= clock_timestamp() then 'expired' else i.status end,
          'expiresAt', i.expires_at, 'acceptedBy', i.accepted_by,
          'inviter', (select nullif(concat_ws(' ', u.given_name, u.family_name), '') from users u where 'user:' || u.id::text = i.invited_by
            and u.id = case when i.invited_by like 'user:%' then substr(i.invited_by, 6)::uuid end),
          'roles', coalesce((select jsonb_agg(r.name order by r.name) from roles r where r.tenant_id = i.tenant_id and r.id = any (i.role_ids)), '[]'))
        from tenants t where t.id = i.tenant_id;
      end;

    create trigger invitations_reopened after update of status on invitations for each row when (old.status <> 'pending' and new.status = 'pending')
      execute function count_towards_limit('invitations', '1');

    create function domains_to_check(before timestamptz, most integer) returns table (id uuid, tenant_id uuid, domain text, challenge text)
      language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select d.id, d.tenant_id, d.domain, d.challenge from tenant_domains d join tenants t on t.id = d.tenant_id
        where d.verified_by = 'dns' and t.status <> 'deleted' and coalesce(d.checked_at, d.verified_at) < before
        order by coalesce(d.checked_at, d.verified_at), d.id limit most;
      end;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop function domains_to_check(timestamptz, integer);
    drop trigger invitations_reopened on invitations;
    drop function invitation_shown(invitations);
  `);
}
