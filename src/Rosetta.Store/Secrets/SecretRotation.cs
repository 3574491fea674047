using System.Text.Json.Nodes;
using Dapper;
using Npgsql;
using Rosetta.Store.Configuration;

namespace Rosetta.Store.Secrets;

/// <summary>
/// Changes the SECRET_KEY of an installation: every secret is opened with the old key and encrypted with the new one, and the fingerprint is replaced,
/// in one transaction. To rotate: stop all nodes, rotate, start them with the new SECRET_KEY. A node that still runs with the old key can go on with
/// what it holds in memory, but reads no secret any more.
/// </summary>
public static class SecretRotation
{
    /// <summary>Returns how many secrets were encrypted anew.</summary>
    /// <exception cref="SecretKeyException"><paramref name="oldKey"/> is not the installation's key, or <paramref name="newKey"/> is too short.</exception>
    public static async Task<int> RotateAsync(ConfigDatabase database, string oldKey, string newKey, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(database);
        ArgumentNullException.ThrowIfNull(oldKey);
        ArgumentNullException.ThrowIfNull(newKey);
        var (uuid, fingerprint) = await database.ReadAsync(
            connection => connection.QuerySingleAsync<(Guid, string?)>(
                new CommandDefinition("SELECT uuid, key_fingerprint FROM installation", cancellationToken: cancellationToken)),
            cancellationToken).ConfigureAwait(false);
        var old = DerivedKey.From(oldKey, uuid);
        if (old.Fingerprint != fingerprint) throw new SecretKeyException("The old key given is not the SECRET_KEY of this installation; nothing was changed.");
        var next = DerivedKey.From(newKey, uuid);
        return await ReEncryptAsync(
            database,
            _ => false,
            new SecretProtector(next),
            new SecretProtector(old),
            cancellationToken,
            (connection, transaction) => SetKeyAsync(connection, transaction, old, next, cancellationToken)).ConfigureAwait(false);
    }

    /// <summary>Encrypts every stored secret for which <paramref name="isDone"/> is false, opened with <paramref name="old"/> first when given.</summary>
    internal static Task<int> ReEncryptAsync(
        ConfigDatabase database,
        Func<string, bool> isDone,
        SecretProtector next,
        SecretProtector? old,
        CancellationToken cancellationToken,
        Func<NpgsqlConnection, NpgsqlTransaction, Task>? first = null) =>
        database.TransactAsync(
            async (connection, transaction) =>
            {
                if (first is not null) await first(connection, transaction).ConfigureAwait(false);
                string Renew(string stored, string place) => next.Protect(old is null ? stored : old.Unprotect(stored, place), place);

                var count = 0;
                var sources = await connection.QueryAsync<(long Id, string Password)>(new CommandDefinition(
                    "SELECT id, pg_password FROM sources WHERE pg_password IS NOT NULL FOR NO KEY UPDATE",
                    transaction: transaction, cancellationToken: cancellationToken)).ConfigureAwait(false);
                foreach (var (id, password) in sources.Where(s => !isDone(s.Password)))
                {
                    await connection.ExecuteAsync(new CommandDefinition(
                        "UPDATE sources SET pg_password = @Password WHERE id = @Id",
                        new { Id = id, Password = Renew(password, SecretPlaces.SourcePassword) }, transaction, cancellationToken: cancellationToken))
                        .ConfigureAwait(false);
                    count++;
                }

                var destinations = await connection.QueryAsync<(long Id, string Config)>(new CommandDefinition(
                    "SELECT id, config::text FROM destinations FOR NO KEY UPDATE",
                    transaction: transaction, cancellationToken: cancellationToken)).ConfigureAwait(false);
                foreach (var (id, config) in destinations)
                {
                    var changed = 0;
                    var renewed = SecretPlaces.MapSecrets((JsonObject)JsonNode.Parse(config)!, (value, place) =>
                    {
                        if (isDone(value)) return value;
                        changed++;
                        return Renew(value, place);
                    });
                    if (changed == 0) continue;
                    await connection.ExecuteAsync(new CommandDefinition(
                        "UPDATE destinations SET config = @Config::jsonb WHERE id = @Id", new { Id = id, Config = renewed.ToJsonString() },
                        transaction, cancellationToken: cancellationToken)).ConfigureAwait(false);
                    count += changed;
                }

                return count;
            },
            cancellationToken);

    static async Task SetKeyAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, DerivedKey old, DerivedKey next, CancellationToken cancellationToken)
    {
        var rows = await connection.ExecuteAsync(new CommandDefinition(
            "UPDATE installation SET key_id = @Id, key_fingerprint = @Fingerprint WHERE key_fingerprint = @Old",
            new { next.Id, next.Fingerprint, Old = old.Fingerprint }, transaction, cancellationToken: cancellationToken)).ConfigureAwait(false);
        if (rows != 1) throw new SecretKeyException("The SECRET_KEY of this installation was changed by another hand meanwhile; nothing was changed.");
    }
}
