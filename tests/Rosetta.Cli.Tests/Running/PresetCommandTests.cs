using System.Text.Json;
using Rosetta.Testing.Processes;
using Xunit;

namespace Rosetta.Cli.Tests.Running;

public sealed class PresetCommandTests : IAsyncLifetime
{
    readonly AnsweringApi _api = new AnsweringApi()
        .Answer("GET /api/v1/presets?limit=1000&offset=0", """{"items": [{"id": 5, "name": "orders", "table_syncs": []}], "total": 1}""")
        .Answer("GET /api/v1/pipelines?limit=1000&offset=0", """{"items": [{"id": 7, "name": "shop"}], "total": 1}""")
        .Answer("GET /api/v1/destinations?limit=1000&offset=0", """{"items": [{"id": 3, "name": "warehouse"}], "total": 1}""");

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _api.DisposeAsync();

    [Fact]
    public async Task Should_create_a_preset_from_tables_or_from_a_pipelines_destination()
    {
        _api.Answer("POST /api/v1/presets", """{"id": 5, "name": "orders", "table_syncs": []}""", 201);
        var run = await ProgramRun.RosettaAsync(_api.Address, "presets create --name orders --table sales.orders --table log.*");
        Assert.Equal((0, "preset 5 created: orders\n"), (run.ExitCode, run.Output));
        Assert.Equal("""{"name":"orders","table_syncs":[{"table_name":"sales.orders"},{"table_name":"log.*"}]}""", _api.Asked[^1].Body);

        run = await ProgramRun.RosettaAsync(_api.Address, "presets create --name orders --from-pipeline shop --from-destination warehouse");
        Assert.Equal(0, run.ExitCode);
        Assert.Equal("""{"name":"orders","from":{"pipeline_id":7,"destination_id":3}}""", _api.Asked[^1].Body);

        var asked = _api.Asked.Count;
        foreach (var wrong in (string[])["--table a.b --from-pipeline shop --from-destination warehouse", "--from-pipeline shop", "--yes"])
            Assert.Equal(1, (await ProgramRun.RosettaAsync(_api.Address, $"presets create --name orders {wrong}")).ExitCode);
        Assert.Equal(asked, _api.Asked.Count);
    }

    [Fact]
    public async Task Should_use_a_preset_by_its_name_for_a_new_and_for_an_attached_destination()
    {
        _api.Answer("POST /api/v1/pipelines/7/destinations", "{}", 201).Answer("PUT /api/v1/pipelines/7/destinations/3/tables", """{"table_syncs": []}""");
        Assert.Equal(0, (await ProgramRun.RosettaAsync(_api.Address, "pipelines attach shop warehouse --preset orders")).ExitCode);
        Assert.Equal("""{"destination_id":3,"preset_id":5}""", _api.Asked[^1].Body);

        var run = await ProgramRun.RosettaAsync(_api.Address, "presets use orders shop warehouse");
        Assert.Equal((0, "warehouse of shop has the tables of orders\n"), (run.ExitCode, run.Output));
        Assert.Equal("""{"preset_id":5}""", _api.Asked[^1].Body);
    }

    [Fact]
    public async Task Should_list_presets_with_their_tables()
    {
        _api.Answer(
            "GET /api/v1/presets?limit=1000",
            """{"items": [{"id": 5, "name": "[orders]", "table_syncs": [{"table_name": "sales.orders", "something_newer": 1}]}, {"id": 6, "name": "all", "table_syncs": []}], "total": 2}""");
        var run = await ProgramRun.RosettaAsync(_api.Address, "presets list");
        foreach (var part in (string[])["[orders]", "sales.orders", "every user table"]) Assert.Contains(part, run.Output, StringComparison.Ordinal);
        _api.Answer("GET /api/v1/presets/5", """{"id": 5, "something_newer": 1}""");
        Assert.Equal(1, JsonDocument.Parse((await ProgramRun.RosettaAsync(_api.Address, "presets show 5")).Output).RootElement.GetProperty("something_newer").GetInt32());
    }
}
