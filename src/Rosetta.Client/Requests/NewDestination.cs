namespace Rosetta.Client.Requests;

/// <summary>Body of <c>POST /destinations</c> for a PostgreSQL destination.</summary>
public sealed record NewDestination(string Name, string Type, PostgresConfig Config);

/// <summary>How a PostgreSQL destination is reached.</summary>
/// <param name="Schema">Where tables go; null: into the schema they have at the source.</param>
public sealed record PostgresConfig(
    string Host, int? Port, string Database, string User, string? Password, string? Schema = null, string? SslMode = null)
{
    // The default would print the password.
    public override string ToString() => $"{User}@{Host}:{Port}/{Database}";
}
