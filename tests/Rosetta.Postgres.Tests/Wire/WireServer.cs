using Rosetta.Postgres.Wire;
using Rosetta.Testing.Servers;
using Xunit;

namespace Rosetta.Postgres.Tests.Wire;

/// <summary>One server with TLS and a user for each way of authentication.</summary>
public sealed class WireServer : IAsyncLifetime
{
    // SASLprep makes a plain space of the no-break space and drops the soft hyphen.
    public const string HardPassword = "pä\u00A0ss\u00ADwörd€日本";

    public PostgresServer Server { get; private set; } = null!;

    public PgEndpoint Endpoint => new() { Host = Server.Host, Port = Server.Port, Database = "postgres", User = "postgres" };

    /// <summary>The directory of the server's Unix socket.</summary>
    public string SocketDirectory => Path.GetDirectoryName(Server.DataDirectory)!;

    public async Task InitializeAsync()
    {
        Server = await PostgresServer.StartAsync(new PostgresServerOptions
        {
            Version = Tests.Source.SourceServer.Version,
            Name = "wire",
            Ssl = true,
            Settings = new Dictionary<string, string> { ["listen_addresses"] = "127.0.0.1,127.0.0.2" },
            HbaLines =
            [
                "host all scram_user all scram-sha-256",
                "host all scram_hard all scram-sha-256",
                "host all md5_user all md5",
                "host all clear_user all password",
                "hostssl all tls_only all trust",
                "hostnossl all tls_only all reject",
                "hostnossl all plain_only all trust",
                "hostssl all plain_only all reject",
                "host all postgres 127.0.0.2/32 trust",
                "host all nobody all reject",
                "local all all trust",
            ],
        });
        await Server.ExecuteAsync($"""
            SET password_encryption = 'scram-sha-256';
            CREATE ROLE scram_user LOGIN PASSWORD 'secret';
            CREATE ROLE scram_hard LOGIN PASSWORD '{HardPassword}';
            CREATE ROLE clear_user LOGIN PASSWORD 'secret';
            SET password_encryption = 'md5';
            CREATE ROLE md5_user LOGIN PASSWORD 'secret';
            CREATE ROLE tls_only LOGIN;
            CREATE ROLE plain_only LOGIN;
            """);
    }

    public async Task DisposeAsync()
    {
        if (Server is not null)
            await Server.DisposeAsync();
    }

    public ValueTask<PgConnection> OpenAsync(PgConnectOptions? options = null) => PgConnection.OpenAsync(Endpoint, options);
}

[CollectionDefinition(Name)]
public sealed class WireCollection : ICollectionFixture<WireServer>
{
    public const string Name = "wire";
}
