using Rosetta.Store.Secrets;

namespace Rosetta.Store.Sources;

/// <summary>A row of <c>sources</c> as it is stored: the password is an envelope, or plain text written by hand.</summary>
sealed record SourceRow
{
    public long Id { get; init; }

    public string Name { get; init; } = "";

    public string Host { get; init; } = "";

    public int Port { get; init; }

    public string Database { get; init; } = "";

    public string Username { get; init; } = "";

    public string? Password { get; init; }

    public string SslMode { get; init; } = "";

    public string PublicationName { get; init; } = "";

    public string ReplicationName { get; init; } = "";

    public DateTime CreatedAt { get; init; }

    public DateTime UpdatedAt { get; init; }

    public SourceDefinition Open(SecretProtector secrets) => new(
        Id, Name, Host, Port, Database, Username,
        new Secret(Password is null ? null : secrets.Unprotect(Password, SecretPlaces.SourcePassword)),
        SslMode, PublicationName, ReplicationName, CreatedAt, UpdatedAt);
}
