using Dapper;
using Microsoft.Extensions.Logging;
using Npgsql;
using Rosetta.Store.Configuration;

namespace Rosetta.Store.Secrets;

/// <summary>
/// Proves the SECRET_KEY at the start of a node. The config database holds a fingerprint of the key: a node with another key, or with none, stops.
/// Where no fingerprint exists yet the first node's key becomes the installation's, made in a file when none is set.
/// </summary>
public sealed partial class InstallationOpener(ConfigDatabase database, ILogger<InstallationOpener> logger)
{
    /// <param name="secretKey">SECRET_KEY from the environment, null when it is not set.</param>
    /// <param name="keyFile">Where a made key is kept; read when <paramref name="secretKey"/> is null.</param>
    /// <exception cref="SecretKeyException">The key is missing, too short or not this installation's.</exception>
    /// <exception cref="ConfigDatabaseUnavailableException">The config database is away.</exception>
    public async Task<Installation> OpenAsync(string? secretKey, string keyFile, CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(secretKey)) secretKey = null;

        // The row lock makes nodes that start together take turns: one makes the key, the others are measured against it.
        var installation = await database.TransactAsync(
            async (connection, transaction) =>
            {
                var row = await connection.QuerySingleAsync<Row>(new CommandDefinition(
                    "SELECT uuid, key_fingerprint FROM installation FOR UPDATE", transaction: transaction, cancellationToken: cancellationToken))
                    .ConfigureAwait(false);
                return row.KeyFingerprint is null
                    ? await AdoptAsync(row, secretKey, keyFile, connection, transaction, cancellationToken).ConfigureAwait(false)
                    : Prove(row, secretKey, keyFile);
            },
            cancellationToken).ConfigureAwait(false);
        await EncryptPlainSecretsAsync(installation, cancellationToken).ConfigureAwait(false);
        return installation;
    }

    async Task<Installation> AdoptAsync(
        Row row, string? secretKey, string keyFile, NpgsqlConnection connection, NpgsqlTransaction transaction, CancellationToken cancellationToken)
    {
        if (secretKey is null)
        {
            secretKey = SecretKeyFile.Read(keyFile);
            if (secretKey is not null)
            {
                LogRead(keyFile);
            }
            else
            {
                secretKey = SecretKeyFile.Create(keyFile);
                LogCreated(keyFile);
            }
        }

        var key = DerivedKey.From(secretKey, row.Uuid);
        await connection.ExecuteAsync(new CommandDefinition(
            "UPDATE installation SET key_id = @Id, key_fingerprint = @Fingerprint", new { key.Id, key.Fingerprint }, transaction,
            cancellationToken: cancellationToken)).ConfigureAwait(false);
        LogAdopted(key.Id);
        return new Installation(row.Uuid, new SecretProtector(key));
    }

    Installation Prove(Row row, string? secretKey, string keyFile)
    {
        var origin = "SECRET_KEY";
        if (secretKey is null)
        {
            origin = $"the key in {keyFile} (used because SECRET_KEY is not set)";
            secretKey = SecretKeyFile.Read(keyFile) ?? throw new SecretKeyException(
                $"SECRET_KEY is not set and {keyFile} does not exist, but the secrets in the config database ({database.Where}) are encrypted. "
                + "Start with the SECRET_KEY of the other nodes; the node that made the key named its file in its log.");
        }

        var key = DerivedKey.From(secretKey, row.Uuid);
        if (!string.Equals(key.Fingerprint, row.KeyFingerprint, StringComparison.Ordinal))
        {
            throw new SecretKeyException(
                $"SECRET_KEY does not fit: the secrets in the config database ({database.Where}) were encrypted with another key than {origin}. "
                + "Start with the SECRET_KEY of the other nodes.");
        }

        return new Installation(row.Uuid, new SecretProtector(key));
    }

    async Task EncryptPlainSecretsAsync(Installation installation, CancellationToken cancellationToken)
    {
        var count = await SecretRotation.ReEncryptAsync(database, current => SecretProtector.IsProtected(current), installation.Secrets, null, cancellationToken)
            .ConfigureAwait(false);
        if (count > 0) LogEncrypted(count);
    }

    sealed record Row(Guid Uuid, string? KeyFingerprint);

    [LoggerMessage(30, LogLevel.Warning,
        "No SECRET_KEY was set: one was made in [{KeyFile}] (mode 0600). Keep a copy: nodes on other machines need it, and without it stored passwords cannot be read")]
    partial void LogCreated(string keyFile);

    [LoggerMessage(31, LogLevel.Information, "SECRET_KEY is read from [{KeyFile}]")]
    partial void LogRead(string keyFile);

    [LoggerMessage(32, LogLevel.Information, "Secrets of this installation are encrypted with key [{KeyId}]")]
    partial void LogAdopted(string keyId);

    [LoggerMessage(33, LogLevel.Information, "Encrypted {Count} secrets that had been written as plain text")]
    partial void LogEncrypted(int count);
}
