namespace Rosetta.Client.Requests;

/// <summary>Body of <c>POST /sources</c> and of its test-connection. Null fields take the API's defaults.</summary>
public sealed record NewSource(
    string Name,
    string PgHost,
    int? PgPort,
    string PgDatabase,
    string PgUsername,
    string? PgPassword,
    string? PgSslMode = null,
    string? PublicationName = null,
    string? ReplicationName = null)
{
    // The default would print the password.
    public override string ToString() => $"source {Name} ({PgUsername}@{PgHost}:{PgPort}/{PgDatabase})";
}
