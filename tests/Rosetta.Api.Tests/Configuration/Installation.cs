using System.Text;
using System.Text.Json.Nodes;
using Rosetta.Api.Tests.Hosting;
using Rosetta.Testing.Servers;
using Xunit;

namespace Rosetta.Api.Tests.Configuration;

/// <summary>An installation of its own, whose whole configuration belongs to one test.</summary>
public sealed class Installation : IAsyncDisposable
{
    static int _number;

    readonly PostgresServer _server;

    Installation(ApiHost api, PostgresServer server, string database) => (Api, _server, Database) = (api, server, database);

    public ApiHost Api { get; }

    /// <summary>Name of its config database.</summary>
    public string Database { get; }

    public static async Task<Installation> StartAsync(ApiFixture fixture)
    {
        var database = $"config_{Interlocked.Increment(ref _number)}";
        await fixture.Server.CreateDatabaseAsync(database);
        return new Installation(await ApiHost.StartAsync(fixture.Server.ConnectionString(database)), fixture.Server, database);
    }

    public async Task<string> ExportAsync()
    {
        var answer = await Api.GetAsync("config");
        Assert.Equal((200, "application/yaml"), (answer.Status, answer.ContentType));
        return answer.Text;
    }

    public Task<Answer> DiffAsync(string yaml, object? secrets = null, bool prune = false) => SendAsync("config/diff", yaml, secrets, prune);

    public Task<Answer> ApplyAsync(string yaml, object? secrets = null, bool prune = false) => SendAsync("config/apply", yaml, secrets, prune);

    /// <summary>Applies what must be accepted.</summary>
    public async Task<IReadOnlyList<string>> MustApplyAsync(string yaml, object? secrets = null, bool prune = false)
    {
        var answer = await ApplyAsync(yaml, secrets, prune);
        Assert.True(answer.Status == 200, answer.Text);
        Assert.True((bool)answer.Json["applied"]!);
        return Kinds(answer);
    }

    /// <summary><c>create source shop</c>, one for each change.</summary>
    public static IReadOnlyList<string> Kinds(Answer answer) => [.. answer.Json["changes"]!.AsArray().Select(c => $"{c!["kind"]} {c["object"]} {c["name"]}")];

    public static JsonNode Change(Answer answer, string @object, string name) =>
        answer.Json["changes"]!.AsArray().Single(c => (string)c!["object"]! == @object && (string)c["name"]! == name)!;

    /// <summary><c>pg_host: "a" -> "b"</c>, one for each field.</summary>
    public static IReadOnlyList<string> Fields(JsonNode change) =>
        [.. change["fields"]!.AsArray().Select(f => $"{f!["field"]}: {Text(f["old"])} -> {Text(f["new"])}")];

    /// <summary>Everything that is configured, with times and versions, as the config database has it.</summary>
    public async Task<string> RowsAsync()
    {
        var rows = new StringBuilder();
        foreach (var table in (string[])["sources", "destinations", "presets", "pipelines", "pipeline_destinations", "table_syncs"])
            rows.AppendLine(await _server.ScalarAsync<string>($"SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t)), '[]')::text FROM {table} t", Database));
        return rows.ToString();
    }

    public ValueTask DisposeAsync() => Api.DisposeAsync();

    public static StringContent Yaml(string text) => new(text, Encoding.UTF8, "application/yaml");

    static string Text(JsonNode? node) => node?.ToJsonString() ?? "null";

    Task<Answer> SendAsync(string path, string yaml, object? secrets, bool prune) => secrets is null
        ? Api.SendAsync(HttpMethod.Post, prune ? $"{path}?prune=true" : path, Yaml(yaml))
        : Api.PostAsync(path, new { yaml, secrets, prune });
}
