using System.CommandLine;
using Rosetta.Cli.Invocations;

namespace Rosetta.Cli.Commands;

/// <summary>The options that describe a PostgreSQL server, alike for sources and destinations.</summary>
sealed class ServerOptions
{
    public Option<string> Name { get; } = new("--name") { Description = "Unique name", Required = true };

    public Option<string> Host { get; } = new("--host") { Description = "Host name or address", DefaultValueFactory = _ => "127.0.0.1" };

    public Option<int> Port { get; } = new("--port") { Description = "Port", DefaultValueFactory = _ => 5432 };

    public Option<string> Database { get; } = new("--database") { Description = "Database", Required = true };

    public Option<string> User { get; } = new("--user") { Description = "Role that Rosetta logs in with", Required = true };

    public Option<string?> SslMode { get; } = new("--ssl-mode") { Description = "disable, allow, prefer, require, verify-ca or verify-full" };

    public PasswordOptions Password { get; } = new();

    public Symbol[] Symbols => [Name, Host, Port, Database, User, SslMode, .. Password.Symbols];
}
