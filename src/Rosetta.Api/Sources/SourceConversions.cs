using Rosetta.Postgres.Wire;
using Rosetta.Store.Secrets;
using Rosetta.Store.Sources;

namespace Rosetta.Api.Sources;

/// <summary>Between bodies, what is stored, and how it is reached.</summary>
static class SourceConversions
{
    public static NewSource ToStore(this CreateSource body) => new(
        body.Name, body.PgHost, body.PgPort, body.PgDatabase, body.PgUsername, new Secret(body.PgPassword), Spelled(body.PgSslMode)!,
        body.PublicationName, body.ReplicationName);

    public static SourceChange ToStore(this ChangeSource body) => new(
        body.Name, body.PgHost, body.PgPort, body.PgDatabase, body.PgUsername, body.PgPassword is null ? null : new Secret(body.PgPassword),
        Spelled(body.PgSslMode), body.PublicationName, body.ReplicationName);

    public static SourceAnswer ToAnswer(this SourceDefinition source) => new(
        source.Id, source.Name, source.Host, source.Port, source.Database, source.Username, source.SslMode, source.PublicationName,
        source.ReplicationName, source.CreatedAt, source.UpdatedAt);

    public static PgEndpoint ToEndpoint(this CreateSource body) =>
        Endpoint(body.PgHost, body.PgPort, body.PgDatabase, body.PgUsername, body.PgPassword, body.PgSslMode);

    public static PgEndpoint ToEndpoint(this SourceDefinition source) =>
        Endpoint(source.Host, source.Port, source.Database, source.Username, source.Password.Value, source.SslMode);

    public static PgEndpoint Endpoint(string host, int port, string database, string user, string? password, string sslMode)
    {
        return new PgEndpoint
        {
            Host = host, Port = port, Database = database, User = user, Password = password, SslMode = PgSslModes.TryParse(sslMode, out var mode) ? mode : PgSslMode.Prefer, ApplicationName = "rosetta/api",
        };
    }

    static string? Spelled(string? sslMode) => PgSslModes.TryParse(sslMode, out var mode) ? mode.ToText() : null;
}
