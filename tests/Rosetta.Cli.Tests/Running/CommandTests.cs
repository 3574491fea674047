using System.Text.Json;
using Rosetta.Testing.Processes;
using Xunit;

namespace Rosetta.Cli.Tests.Running;

public sealed class CommandTests : IAsyncLifetime
{
    const string Pipeline = """
        {"id": 7, "name": "shop", "source_id": 1, "status": "START", "runtime": {"state": "RUNNING", "node": "akka.tcp://rosetta@127.0.0.1:4053",
         "since": "2026-01-01T00:00:00Z", "restarts": 0, "last_error": null, "remedy": null, "slot": "rosetta_p7", "received_lsn": "0/20", "confirmed_lsn": "0/10",
         "wal_retained_bytes": 16},
         "destinations": [{"destination_id": 3, "name": "warehouse", "type": "POSTGRES", "health_status": "HEALTHY", "lane": "ATTACHED", "applied_lsn": "0/20",
          "lag_bytes": 0, "lag_seconds": 0.0, "dlq_count": 0, "last_success_time": "2026-01-01T00:00:00Z", "last_error": null,
          "tables": [{"table": "public.orders", "target": "public.orders", "state": "ERROR", "snapshot_rows": 100, "snapshot_rows_estimated": 100,
           "rows_inserted": 1, "rows_updated": 2, "rows_deleted": 3, "error": "23514 on [positive]", "remedy": "mend it, then resync"}]}]}
        """;

    const string Pipelines = """{"items": [{"id": 7, "name": "shop"}, {"id": 8, "name": "other"}], "total": 2}""";

    readonly AnsweringApi _api = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _api.DisposeAsync();

    [Fact]
    public async Task Should_start_a_pipeline_by_its_name_with_the_key_as_bearer_token()
    {
        _api.Answer("GET /api/v1/pipelines?limit=1000&offset=0", Pipelines).Answer("POST /api/v1/pipelines/7/start", Pipeline);
        var run = await ProgramRun.RosettaAsync(_api.Address, "pipelines start shop", key: "sesame");
        Assert.Equal((0, "shop started; state RUNNING\n"), (run.ExitCode, run.Output));
        Assert.All(_api.Asked, asked => Assert.Equal("Bearer sesame", asked.Authorization));
    }

    [Fact]
    public async Task Should_show_destinations_tables_errors_and_remedies_of_a_pipeline()
    {
        _api.Answer("GET /api/v1/pipelines/7", Pipeline);
        var run = await ProgramRun.RosettaAsync(_api.Address, "pipelines show 7");
        Assert.Equal(0, run.ExitCode);
        foreach (var part in (string[])["shop", "RUNNING", "warehouse", "HEALTHY", "ATTACHED", "0/20", "public.orders", "23514 on [positive]", "mend it"])
            Assert.Contains(part, run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_print_the_answer_as_it_came_with_json()
    {
        _api.Answer("GET /api/v1/pipelines/7", """{"id": 7, "name": "shop", "something_newer": [1]}""");
        var run = await ProgramRun.RosettaAsync(_api.Address, "pipelines show 7 --json");
        Assert.Equal(0, run.ExitCode);
        Assert.Equal(1, JsonDocument.Parse(run.Output).RootElement.GetProperty("something_newer")[0].GetInt32());
    }

    [Fact]
    public async Task Should_tell_title_detail_and_fields_of_a_refusal_on_standard_error_and_fail()
    {
        _api.Answer(
            "POST /api/v1/destinations",
            """{"title": "Not valid", "status": 422, "detail": "Mend the fields.", "errors": {"config.port": ["must be between 1 and 65535"]}}""", 422,
            "application/problem+json");
        var run = await ProgramRun.RosettaAsync(_api.Address, "destinations create --name w --port 0 --database d --user u --no-password");
        Assert.Equal((1, ""), (run.ExitCode, run.Output));
        foreach (var part in (string[])["Not valid (422)", "Mend the fields.", "config.port: must be between 1 and 65535"])
            Assert.Contains(part, run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_say_that_no_node_answers_and_how_to_name_another()
    {
        var run = await ProgramRun.RosettaAsync(new Uri("http://127.0.0.1:1/"), "status");
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("Is a node running there?", run.Errors, StringComparison.Ordinal);
        Assert.Contains("--api", run.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pipelines delete 7")]
    [InlineData("pipelines resync 7")]
    [InlineData("pipelines detach 7 3")]
    [InlineData("tables resync 7 3 public.orders")]
    [InlineData("sources delete 1")]
    [InlineData("sources publication 1 --drop")]
    [InlineData("destinations delete 3")]
    [InlineData("presets delete 3")]
    [InlineData("cluster down 127.0.0.1:4053")]
    [InlineData("cluster leave 127.0.0.1:4053")]
    public async Task Should_do_nothing_destructive_without_asking(string verb)
    {
        var run = await ProgramRun.RosettaAsync(_api.Address, verb);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("--yes", run.Errors, StringComparison.Ordinal);
        Assert.Empty(_api.Asked);
    }

    [Fact]
    public async Task Should_escape_a_tables_name_in_the_address()
    {
        _api.Answer("POST /api/v1/pipelines/7/destinations/3/tables/public.a%2Fb%3F/resync", "{}", 202);
        var run = await ProgramRun.RosettaAsync(_api.Address, "tables resync 7 3 public.a/b? --yes");
        Assert.Equal((0, ""), (run.ExitCode, run.Errors));
    }

    [Fact]
    public async Task Should_read_a_password_from_standard_input_and_send_it_only_in_the_body()
    {
        _api.Answer("POST /api/v1/sources", """{"id": 1, "name": "shop", "pg_host": "db", "pg_port": 5432, "pg_database": "d", "pg_username": "u"}""", 201);
        var run = await ProgramRun.RosettaAsync(
            _api.Address, "sources create --name shop --host db --database d --user u --password-file -", input: "se cret\n");
        Assert.Equal((0, "source 1 created: shop\n"), (run.ExitCode, run.Output));
        var body = JsonDocument.Parse(Assert.Single(_api.Asked).Body).RootElement;
        Assert.Equal("se cret", body.GetProperty("pg_password").GetString());
        Assert.Equal(5432, body.GetProperty("pg_port").GetInt32());
        Assert.False(body.TryGetProperty("publication_name", out _));
    }

    [Fact]
    public async Task Should_show_the_cluster_a_line_per_node()
    {
        _api.Answer(
            "GET /api/v1/cluster",
            """
            {"members": [
              {"address": "127.0.0.1:4053", "node": "akka.tcp://rosetta@127.0.0.1:4053", "roles": ["rosetta"], "status": "up", "reachable": true,
               "version": "0.1.0", "pipelines": [1, 2]},
              {"address": "127.0.0.1:4054", "roles": [], "status": "Up", "reachable": false, "version": "0.1.0", "pipelines": []}], "leader": "127.0.0.1:4053"}
            """);
        var run = await ProgramRun.RosettaAsync(_api.Address, "cluster show");
        Assert.Equal(
            """
            akka.tcp://rosetta@127.0.0.1:4053 | [rosetta] | up |  | 0.1.0 [leader] | pipelines: 2
            127.0.0.1:4054 | [] | up | unreachable | 0.1.0 | pipelines: 0
            Count: 2 nodes

            """, run.Output);
    }

    [Fact]
    public async Task Should_fail_when_the_preflight_finds_an_error_and_show_the_sql_that_mends_it()
    {
        _api.Answer(
            "GET /api/v1/sources/1/preflight",
            """{"ok": false, "findings": [{"severity": "error", "check": "wal_level", "detail": "is replica", "fix_sql": "ALTER SYSTEM SET wal_level = 'logical'"}]}""");
        var run = await ProgramRun.RosettaAsync(_api.Address, "sources preflight 1");
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("ALTER SYSTEM SET wal_level = 'logical'", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_print_an_object_per_event_when_watching_as_json()
    {
        _api.Answer("GET /api/v1/pipelines/7/events", "event: pipeline\ndata: {\"id\": 7}\n\nevent: pipeline\ndata: {\"id\": 8}\n\n", type: "text/event-stream");
        var run = await ProgramRun.RosettaAsync(_api.Address, "pipelines watch 7 --json");
        Assert.Equal((0, "{\"id\": 7}\n{\"id\": 8}\n"), (run.ExitCode, run.Output));
    }

    [Fact]
    public async Task Should_report_a_node_that_lives_but_is_not_ready()
    {
        _api.Answer("GET /health/live", "{}").Answer("GET /health/ready", """{"status": "not ready", "checks": [{"name": "cluster", "healthy": false, "detail": "joining"}, {"name": "db", "healthy": true}]}""", 503);
        var run = await ProgramRun.RosettaAsync(_api.Address, "health");
        Assert.Equal((1, "live   yes\nready  no  cluster: joining\n"), (run.ExitCode, run.Output));
    }
}
