using System.Net.Sockets;
using System.Text;
using Rosetta.Testing.Processes;
using Rosetta.Testing.Servers;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Testing.Tests.Servers;

public sealed class RedisServerTests(ITestOutputHelper output)
{
    [FactNeeding("redis-server")]
    public async Task Should_keep_what_a_durable_server_has_acknowledged_over_a_kill()
    {
        await using var server = await RedisServer.StartAsync(
            new RedisServerOptions { Durable = true, Password = "s3cret", Log = output.WriteLine });
        Assert.Equal("-NOAUTH Authentication required.", await SendAsync(server, "GET k"));
        Assert.Equal("+OK", await SendAsync(server, "AUTH s3cret", "SET k v"));
        await server.KillAsync();
        Assert.False(server.IsRunning);
        await server.StartAsync();
        Assert.Equal("$1", await SendAsync(server, "AUTH s3cret", "GET k"));
        await server.StopAsync();
        Assert.False(server.IsRunning);
    }

    [FactNeeding("redis-server")]
    public async Task Should_run_with_the_settings_that_were_chosen_and_without_privileges()
    {
        await using var server = await RedisServer.StartAsync(new RedisServerOptions
        {
            Settings = new Dictionary<string, string> { ["maxmemory"] = "5mb", ["maxmemory-policy"] = "allkeys-lru" }, Log = output.WriteLine
        });

        Assert.Contains("maxmemory_policy:allkeys-lru", await Command.RunAsync("redis-cli", ["-p", $"{server.Port}", "INFO", "memory"]), StringComparison.Ordinal);
        Assert.Contains("maxmemory_human:5.00M", await Command.RunAsync("redis-cli", ["-p", $"{server.Port}", "INFO", "memory"]), StringComparison.Ordinal);
        var owner = await Command.RunAsync("stat", ["-c", "%U", $"/proc/{server.ProcessId}"]);
        Assert.Equal(Environment.IsPrivilegedProcess ? "postgres" : Environment.UserName, owner.Trim());
    }

    static async Task<string?> SendAsync(RedisServer server, params string[] commands)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(server.Host, server.Port);
        using var reader = new StreamReader(client.GetStream(), Encoding.ASCII);
        string? answer = null;
        foreach (var command in commands)
        {
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(command + "\r\n"));
            answer = await reader.ReadLineAsync();
        }
        return answer;
    }
}
