using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Authentication;
using Npgsql;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Source;

/// <summary>What <c>test-connection</c> answers.</summary>
/// <param name="ServerVersion">As the server gives it, e.g. 15.18; null when not <paramref name="Ok"/>.</param>
/// <param name="LatencyMs">Time of one statement on the open connection, in milliseconds.</param>
/// <param name="Error">What went wrong, without any secret.</param>
/// <param name="Hint">What to do about it.</param>
public sealed record ConnectionCheckResult(bool Ok, string? ServerVersion, long? LatencyMs, string? Error, string? Hint);

/// <summary>Tries to connect to a PostgreSQL server, source or destination, and explains a failure to whoever configured it.</summary>
public static class ConnectionCheck
{
    static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    /// <summary>Never throws for a failure of the connection.</summary>
    public static async Task<ConnectionCheckResult> RunAsync(PgEndpoint endpoint, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await PgConnection.OpenAsync(
                endpoint, PgConnectOptions.Default with { ConnectTimeout = Timeout }, cancellationToken);
            var watch = Stopwatch.StartNew();
            var version = await connection.QueryAsync("SHOW server_version", cancellationToken);
            return new ConnectionCheckResult(true, version.RequiredText(0, 0).Split(' ')[0], watch.ElapsedMilliseconds, null, null);
        }
        catch (PgException e)
        {
            var (error, hint) = Explain(e, endpoint);
            return new ConnectionCheckResult(false, null, null, error, hint);
        }
    }

    /// <summary>What went wrong and what to do, for any failure to connect.</summary>
    public static (string Error, string Hint) Explain(Exception failure, PgEndpoint endpoint)
    {
        for (var e = failure; e is not null; e = e.InnerException)
        {
            switch (e)
            {
                case PgServerException server:
                    return (server.Error.Text, ForState(server.SqlState, server.Error.Text, endpoint));
                case PostgresException postgres:
                    return (postgres.MessageText, ForState(postgres.SqlState, postgres.MessageText, endpoint));
                case SocketException socket:
                    return ($"{endpoint.Host}:{endpoint.Port}: {socket.Message}", ForSocket(socket.SocketErrorCode, endpoint));
                case AuthenticationException:
                    return (failure.Message, ForTls(endpoint));
            }
        }

        return (failure.Message, ForMessage(failure, endpoint));
    }

    static string ForState(string state, string text, PgEndpoint endpoint) => state switch
    {
        "28P01" => $"The password of '{endpoint.User}' is wrong, or the role does not exist or has none. Set it with: ALTER ROLE ... PASSWORD '...'.",
        "28000" when text.Contains("no encryption", StringComparison.Ordinal) =>
            "The server takes connections with TLS only (hostssl in pg_hba.conf): set the ssl mode to require.",
        "28000" when text.Contains("pg_hba.conf", StringComparison.Ordinal) =>
            $"Add a line for user '{endpoint.User}', database '{endpoint.Database}' and this host to the server's pg_hba.conf and reload it.",
        "28000" => $"The server refuses the role '{endpoint.User}': does it exist, and may it log in (ALTER ROLE ... LOGIN)?",
        "3D000" => $"Create the database '{endpoint.Database}' on the server, or correct its name.",
        "42501" => $"Give the role '{endpoint.User}' the right to connect: GRANT CONNECT ON DATABASE ... TO ....",
        "53300" => "The server has no free connection: raise max_connections or close some.",
        "57P03" => "The server is starting up, shutting down or recovering: try again in a moment.",
        _ => "See the server's log.",
    };

    static string ForSocket(SocketError code, PgEndpoint endpoint) => code switch
    {
        SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData =>
            $"The name '{endpoint.Host}' does not resolve: correct the host, or the name service of the machine Rosetta runs on.",
        SocketError.ConnectionRefused =>
            $"Nothing listens on port {endpoint.Port} of {endpoint.Host}: is the server running, is the port right, does listen_addresses name that address?",
        SocketError.TimedOut or SocketError.HostUnreachable or SocketError.NetworkUnreachable =>
            $"{endpoint.Host} cannot be reached: check the address, routes and firewalls between it and Rosetta.",
        SocketError.AddressNotAvailable => "There is no server socket of that name: is the path the directory the server uses?",
        _ => "Check host and port.",
    };

    static string ForTls(PgEndpoint endpoint) => endpoint.SslMode switch
    {
        PgSslMode.VerifyFull => $"The server's certificate must be made for '{endpoint.Host}' and lead to a trusted root: correct one of them, or use require.",
        PgSslMode.VerifyCa => "The server's certificate does not lead to a trusted root: name the root certificate, or use require.",
        _ => "TLS could not be agreed on: see the server's log for its side.",
    };

    static string ForMessage(Exception failure, PgEndpoint endpoint)
    {
        if (failure.InnerException is OperationCanceledException)
            return $"No answer from {endpoint.Host}:{endpoint.Port}: check the address, firewalls, and whether a PostgreSQL server is there.";
        if (failure.Message.Contains("TLS", StringComparison.Ordinal) || failure.Message.Contains("SSL", StringComparison.Ordinal))
            return "The server has no TLS (ssl = off): switch it on there, or set the ssl mode to prefer or disable.";
        return failure.Message.Contains("password", StringComparison.Ordinal)
            ? "Give the password of the role."
            : $"Is it a PostgreSQL server that listens on {endpoint.Host}:{endpoint.Port}?";
    }
}
