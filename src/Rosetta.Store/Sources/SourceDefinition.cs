using Rosetta.Store.Secrets;

namespace Rosetta.Store.Sources;

/// <summary>A PostgreSQL database that is read. <see cref="Password"/> is decrypted here and hidden in <c>ToString</c>.</summary>
/// <param name="SslMode">libpq's name: <c>disable, allow, prefer, require, verify-ca, verify-full</c>.</param>
/// <param name="PublicationName">A publication of this name is used as it is; without one each pipeline makes <c>&lt;name&gt;_p&lt;id&gt;</c>.</param>
/// <param name="ReplicationName">The slot of a pipeline is <c>&lt;name&gt;_p&lt;id&gt;</c>.</param>
public sealed record SourceDefinition(
    long Id,
    string Name,
    string Host,
    int Port,
    string Database,
    string Username,
    Secret Password,
    string SslMode,
    string PublicationName,
    string ReplicationName,
    DateTime CreatedAt,
    DateTime UpdatedAt);

/// <summary>What is written for a new source.</summary>
public sealed record NewSource(
    string Name,
    string Host,
    int Port,
    string Database,
    string Username,
    Secret Password,
    string SslMode = "prefer",
    string PublicationName = "rosetta",
    string ReplicationName = "rosetta");

/// <summary>A change of a source: what is null stays as it is.</summary>
public sealed record SourceChange(
    string? Name = null,
    string? Host = null,
    int? Port = null,
    string? Database = null,
    string? Username = null,
    Secret? Password = null,
    string? SslMode = null,
    string? PublicationName = null,
    string? ReplicationName = null)
{
    /// <summary>The source as it is after the change.</summary>
    public SourceDefinition ApplyTo(SourceDefinition old)
    {
        ArgumentNullException.ThrowIfNull(old);
        return old with
        {
            Name = Name ?? old.Name,
            Host = Host ?? old.Host,
            Port = Port ?? old.Port,
            Database = Database ?? old.Database,
            Username = Username ?? old.Username,
            Password = Password ?? old.Password,
            SslMode = SslMode ?? old.SslMode,
            PublicationName = PublicationName ?? old.PublicationName,
            ReplicationName = ReplicationName ?? old.ReplicationName,
        };
    }
}
