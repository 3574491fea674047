using System.Text.Json;
using System.Text.Json.Nodes;
using Npgsql;
using Rosetta.Api.Tests.Hosting;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Tables;
using Rosetta.Store.DeadLetters;
using Rosetta.Store.Runtime;
using Rosetta.Testing.Servers;
using Xunit;

namespace Rosetta.Api.Tests.DeadLetters;

[Collection(nameof(ApiCollection))]
public sealed class LetterTests(ApiFixture fixture)
{
    static readonly JsonSerializerOptions Plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    [Fact]
    public Task Should_show_dead_letters_that_the_config_database_keeps() => ShowAsync(fixture.Api);

    [Fact]
    public async Task Should_show_dead_letters_that_a_Redis_keeps()
    {
        await using var redis = await RedisServer.StartAsync(new RedisServerOptions { Name = "api-letters", Durable = true });
        await fixture.Server.CreateDatabaseAsync("letters_in_redis");
        await using var api = await ApiHost.StartAsync(fixture.Server.ConnectionString("letters_in_redis"), letters: DeadLetterSettings.Default with { RedisUrl = $"redis://{redis.Host}:{redis.Port}" });
        var (path, _) = await ShowAsync(api);

        await redis.KillAsync();
        var away = await api.GetAsync($"{path}/count");
        Assert.Equal(503, away.Status);
        Assert.Contains($"{redis.Port}", away.Text, StringComparison.Ordinal);
        Assert.NotNull(away.RetryAfter);
        Assert.Equal(503, (await api.GetAsync($"{path}/export")).Status);
    }

    [Fact]
    public async Task Should_show_bytes_and_say_why_when_neither_source_nor_destination_can_be_asked()
    {
        var database = $"letters_{Guid.NewGuid():N}";
        await fixture.Server.CreateDatabaseAsync(database);
        await ExecuteAsync(database, LetterSamples.Ddl);
        var change = await LetterSamples.ReadAsync(fixture.Server.ConnectionString(database));
        var (id, destination) = await AddPipelineAsync(fixture.Api, database);
        var (queue, epoch) = await LetterSamples.OpenAsync(fixture.Api, id, destination);
        await fixture.Api.Letters.AppendAsync(queue, epoch, [LetterSamples.Of(3, change, LetterSamples.Refused)], default);
        await ReportAsync(fixture.Api, id, destination, epoch);
        await ExecuteAsync("app", $"DROP DATABASE {database} WITH (FORCE)");

        var shown = (await fixture.Api.GetAsync($"pipelines/{id}/destinations/{destination}/dlq/30-0")).Json;
        var entry = shown["entry"]!;
        Assert.Equal(["7", "t", "ab   "], ((string[])["id", "fine", "code"]).Select(c => (string)entry["new"]![c]!));
        Assert.Equal("""["amount","at","feels","tags"]""", entry["as_bytes"]!.ToJsonString());
        Assert.StartsWith("\\x", (string)entry["new"]!["amount"]!, StringComparison.Ordinal);
        Assert.Contains(database, (string)entry["note"]!, StringComparison.Ordinal);
        Assert.Null(shown["current"]);
        Assert.Contains("could not be asked", (string)shown["current_problem"]!, StringComparison.Ordinal);
    }

    async Task<(string Path, long Pipeline)> ShowAsync(ApiHost api)
    {
        var database = $"letters_{Guid.NewGuid():N}";
        await fixture.Server.CreateDatabaseAsync(database);
        await ExecuteAsync(database, LetterSamples.Ddl);
        var (id, destination) = await AddPipelineAsync(api, database);
        var path = $"pipelines/{id}/destinations/{destination}/dlq";
        Assert.Equal("""{"count":0,"tables":{}}""", (await api.GetAsync($"{path}/count")).Text);
        Assert.Equal("""{"items":[],"next":null}""", (await api.GetAsync(path)).Text);
        Assert.Equal("", (await api.GetAsync($"{path}/export")).Text);

        var change = await LetterSamples.ReadAsync(fixture.Server.ConnectionString(database));
        var (queue, epoch) = await LetterSamples.OpenAsync(api, id, destination);
        var exhausted = new DeadLetterFailure(ErrorClass.Data, "too long", "22001");
        await api.Letters.AppendAsync(
            queue, epoch,
            [LetterSamples.Of(1, change, LetterSamples.Refused), LetterSamples.Of(2, change), LetterSamples.Of(3, change, exhausted, tries: 10), LetterSamples.Of(4, null, LetterSamples.Refused)], default);

        Assert.Equal("""{"count":4,"tables":{"public.letters":4}}""", (await api.GetAsync($"{path}/count")).Text);
        await CheckListAsync(api, path);
        await CheckSummaryAsync(api, path);
        await CheckEntryAsync(api, path, id, destination, epoch);
        await CheckExportAsync(api, path);
        Assert.Equal(404, (await api.GetAsync($"pipelines/4711/destinations/{destination}/dlq/count")).Status);
        Assert.Equal(404, (await api.GetAsync($"pipelines/{id}/destinations/4711/dlq")).Status);
        Assert.Equal(404, (await api.GetAsync($"{path}/10-2")).Status);
        Assert.Equal(404, (await api.GetAsync($"{path}/nonsense")).Status);
        return (path, id);
    }

    static async Task CheckListAsync(ApiHost api, string path)
    {
        var first = (await api.GetAsync($"{path}?limit=3")).Json;
        Assert.Equal(["10-1", "20-2", "30-0"], first["items"]!.AsArray().Select(i => (string)i!["id"]!));
        Assert.Equal(["FAILED", "WAITING", "EXHAUSTED"], first["items"]!.AsArray().Select(i => (string)i!["state"]!));
        var entry = first["items"]![0]!;
        // Just as psql shows them, whatever their type.
        Assert.Equal(
            """{"id":"7","amount":"12.50","at":"2026-01-02 03:04:05.000006+00","feels":"happy \"so\"","tags":"{a,\"b,c\",NULL}","code":"ab   ","fine":"t"}""",
            entry["new"]!.ToJsonString(Plain));
        Assert.Equal("""["big"]""", entry["unchanged"]!.ToJsonString());
        Assert.Equal("[]", entry["as_bytes"]!.ToJsonString());
        Assert.Null(entry["note"]);
        Assert.Equal(
            ("public.letters", "UPDATE", """["7"]""", "23514", "DATA", "0/10", "2000-01-01T00:00:05.000001+00:00"),
            ((string)entry["table"]!, (string)entry["operation"]!, entry["key"]!.ToJsonString(), (string)entry["sqlstate"]!, (string)entry["error_class"]!,
                (string)entry["commit_lsn"]!, (string)entry["committed_at"]!));
        Assert.Equal((0, "2026-11-29T01:02:04+00:00"), ((int)entry["retry_count"]!, (string)entry["first_failed_at"]!));
        var rest = (await api.GetAsync($"{path}?limit=3&after={(string)first["next"]!}")).Json;
        var damaged = Assert.Single(rest["items"]!.AsArray())!;
        Assert.Null(rest["next"]);
        Assert.Null(damaged["new"]);
        Assert.Contains("version 9", (string)damaged["note"]!, StringComparison.Ordinal);

        Assert.Equal(["30-0"], (await api.GetAsync($"{path}?sqlstate=22001")).Json["items"]!.AsArray().Select(i => (string)i!["id"]!));
        Assert.Equal(3, (await api.GetAsync($"{path}?error_class=data&table=letters")).Json["items"]!.AsArray().Count);
        Assert.Empty((await api.GetAsync($"{path}?table=public.other")).Json["items"]!.AsArray());
        Assert.NotEmpty((await api.GetAsync($"{path}?table=a.b.c")).Error("table"));
        Assert.NotEmpty((await api.GetAsync($"{path}?error_class=7")).Error("error_class"));
        Assert.NotEmpty((await api.GetAsync($"{path}?after=x")).Error("after"));
        Assert.NotEmpty((await api.GetAsync($"{path}?limit=0")).Error("limit"));
    }

    static async Task CheckSummaryAsync(ApiHost api, string path)
    {
        var groups = (await api.GetAsync($"{path}/summary")).Json["items"]!.AsArray().ToDictionary(i => (string?)i!["sqlstate"] ?? "");
        Assert.Equal(["", "22001", "23514"], groups.Keys.Order(StringComparer.Ordinal));
        Assert.Equal((2, "DATA", LetterSamples.Refused.Error), ((int)groups["23514"]!["count"]!, (string)groups["23514"]!["error_class"]!, (string)groups["23514"]!["example"]!));
        Assert.Contains("CHECK constraint", (string)groups["23514"]!["remedy"]!, StringComparison.Ordinal);
        Assert.Contains("None needed", (string)groups[""]!["remedy"]!, StringComparison.Ordinal);
        Assert.Equal(("2026-11-29T01:02:04+00:00", "2026-11-29T01:02:07+00:00"), ((string)groups["23514"]!["first_at"]!, (string)groups["23514"]!["last_at"]!));
        Assert.True((long)groups["22001"]!["bytes"]! > 100);
    }

    static async Task CheckEntryAsync(ApiHost api, string path, long id, long destination, long epoch)
    {
        var unknown = (await api.GetAsync($"{path}/10-1")).Json;
        Assert.Null(unknown["current"]);
        Assert.Contains("not replicated", (string)unknown["current_problem"]!, StringComparison.Ordinal);
        await ReportAsync(api, id, destination, epoch);
        var known = (await api.GetAsync($"{path}/10-1")).Json;
        Assert.Equal(("10-1", "12.50"), ((string)known["entry"]!["id"]!, (string)known["entry"]!["new"]!["amount"]!));
        Assert.Contains("CHECK constraint", (string)known["remedy"]!, StringComparison.Ordinal);
        Assert.Null(known["current_problem"]);
        Assert.Equal("""{"id":"7","amount":"1.00","at":null,"feels":"sad","tags":null,"code":"x    ","fine":"f","big":"as it was"}""", known["current"]!.ToJsonString(Plain));
        Assert.Contains("version 9", (string)(await api.GetAsync($"{path}/40-1")).Json["current_problem"]!, StringComparison.Ordinal);
    }

    static async Task CheckExportAsync(ApiHost api, string path)
    {
        var export = await api.GetAsync($"{path}/export");
        Assert.Equal((200, "application/x-ndjson"), (export.Status, export.ContentType));
        Assert.EndsWith("\n", export.Text, StringComparison.Ordinal);
        var lines = export.Text.TrimEnd('\n').Split('\n').Select(l => JsonNode.Parse(l)!).ToList();
        Assert.Equal(["10-1", "20-2", "30-0", "40-1"], lines.Select(l => (string)l["id"]!));
        Assert.Equal((await api.GetAsync(path)).Json["items"]![1]!.ToJsonString(), lines[1].ToJsonString());
        var some = await api.GetAsync($"{path}/export?table=letters&after=10-1&error_class=DATA");
        Assert.Equal(["30-0", "40-1"], some.Text.TrimEnd('\n').Split('\n').Select(l => (string)JsonNode.Parse(l)!["id"]!));
    }

    static Task<bool> ReportAsync(ApiHost api, long id, long destination, long epoch) => api.Store.Reports.SaveAsync(
        new PipelineReport(
            id, epoch, PipelineState.Running, "node", DateTimeOffset.UtcNow, 0, null, null, null, null, null, null,
            [new DestinationReport(destination, DestinationHealth.Healthy, LaneState.Attached, null, null, null, null, null, null, null,
                [new TableReport(LetterSamples.Table, LetterSamples.Table, TableState.Streaming, 0, null, 0, 0, 0, null, null)])]), default);

    async Task<(long Pipeline, long Destination)> AddPipelineAsync(ApiHost api, string database)
    {
        var source = (await api.PostAsync("sources", fixture.Source(fixture.Name("source"), database))).Id;
        var destination = (await api.PostAsync("destinations", new
        {
            name = fixture.Name("destination"), type = "POSTGRESQL", config = new { host = "127.0.0.1", port = fixture.Server.Port, database, user = "postgres", password = "not shown" },
        })).Id;
        var pipeline = (await api.PostAsync("pipelines", new { name = fixture.Name("pipeline"), source_id = source })).Id;
        Assert.Equal(201, (await api.PostAsync($"pipelines/{pipeline}/destinations", new { destination_id = destination })).Status);
        return (pipeline, destination);
    }

    async Task ExecuteAsync(string database, string sql)
    {
        await using var connection = new NpgsqlConnection(fixture.Server.ConnectionString(database));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
