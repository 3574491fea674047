using Rosetta.Testing.Processes;
using Xunit;

namespace Rosetta.Cli.Tests.Running;

public sealed class PreviewCommandTests : IAsyncLifetime
{
    readonly AnsweringApi _api = new AnsweringApi()
        .Answer("GET /api/v1/pipelines?limit=1000&offset=0", """{"items": [{"id": 7, "name": "shop"}], "total": 1}""")
        .Answer("GET /api/v1/destinations?limit=1000&offset=0", """{"items": [{"id": 3, "name": "warehouse"}], "total": 1}""")
        .Answer(
            "POST /api/v1/pipelines/7/destinations/3/tables/public.orders/preview",
            """{"columns": [{"name": "id", "type": "bigint", "computed": false}, {"name": "[who]", "type": "text", "computed": true}], "rows": [["1", "[A]"], ["2", null]], "kept": 2, "read": 9, "warnings": ["FULL"]}""");

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _api.DisposeAsync();

    [Fact]
    public async Task Should_show_what_a_transform_makes_of_rows()
    {
        var run = await ProgramRun.RosettaAsync(_api.Address, "tables preview shop warehouse public.orders --filter n>1 --column id --limit 5");

        Assert.True(run.ExitCode == 0, run.Output);
        Assert.Equal("""{"filter_sql":"n>1","columns":["id"],"limit":5}""", _api.Asked[^1].Body.Replace("\\u003E", ">", StringComparison.Ordinal));
        foreach (var part in (string[])["[who]", "bigint", "[A]", "NULL", "2 of the 9 rows", "Warning: FULL"])
            Assert.Contains(part, run.Output, StringComparison.Ordinal);
    }
}
