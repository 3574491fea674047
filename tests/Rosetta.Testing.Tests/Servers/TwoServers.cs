using Rosetta.Testing.Servers;
using Xunit;

namespace Rosetta.Testing.Tests.Servers;

/// <summary>Two servers for all tests of a class; each test makes its own database on both.</summary>
public sealed class TwoServers : IAsyncLifetime
{
    PostgresServer? _source;
    PostgresServer? _destination;
    int _databases;

    public PostgresServer Source => _source ?? throw new InvalidOperationException("not started");

    public PostgresServer Destination => _destination ?? throw new InvalidOperationException("not started");

    public async Task InitializeAsync()
    {
        _source = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "source" });
        _destination = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "destination" });
    }

    public async Task DisposeAsync()
    {
        if (_source is not null)
            await _source.DisposeAsync();
        if (_destination is not null)
            await _destination.DisposeAsync();
    }

    public async Task<string> CreateDatabaseAsync()
    {
        var name = $"t{Interlocked.Increment(ref _databases)}";
        await Source.CreateDatabaseAsync(name);
        await Destination.CreateDatabaseAsync(name);
        return name;
    }
}
