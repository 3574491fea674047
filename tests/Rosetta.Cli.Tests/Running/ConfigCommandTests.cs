using System.Text.Json;
using Rosetta.Testing.Processes;
using Xunit;

namespace Rosetta.Cli.Tests.Running;

public sealed class ConfigCommandTests : IAsyncLifetime
{
    const string File = """
        version: 1
        sources:
          - {name: env:NAME, pg_host: file:/etc/hostname, pg_password: env:ROSETTA_TEST_PASSWORD}
          - name: "file:x"
            pg_password: 'file:password.txt'
        destinations:
          - name: d
            config: {host: h, password: env:ROSETTA_TEST_NOT_SET, private_key: "file:nowhere.pem", private_key_passphrase: inline}
        """;

    const string Changes = """
        {"changes": [
          {"kind": "create", "object": "source", "name": "new", "fields": [{"field": "pg_port", "old": null, "new": 5432}, {"field": "pg_password", "old": null, "new": "***"}], "refused": null, "line": 3},
          {"kind": "update", "object": "pipeline_destination", "name": "a/b", "fields": [{"field": "table_syncs", "old": [], "new": [{"table_name": "x"}]}], "refused": "Pipeline 'a' is started.", "line": 9},
          {"kind": "none", "object": "pipeline", "name": "same", "fields": [], "refused": null, "line": 12},
          {"kind": "delete", "object": "preset", "name": "old", "fields": [], "refused": null, "line": null}], "applied": false}
        """;

    const string Nothing = """{"changes": [{"kind": "none", "object": "pipeline", "name": "same", "fields": [], "refused": null, "line": 12}], "applied": true}""";

    readonly AnsweringApi _api = new();
    readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rosetta-config-");

    string Path => System.IO.Path.Combine(_folder.FullName, "config.yaml");

    public async Task InitializeAsync()
    {
        await System.IO.File.WriteAllTextAsync(Path, File);
        await System.IO.File.WriteAllTextAsync(System.IO.Path.Combine(_folder.FullName, "password.txt"), "from a file\n");
    }

    public async Task DisposeAsync()
    {
        await _api.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Should_print_or_write_the_export_as_it_came()
    {
        const string Yaml = "# [bold]\nversion: 1\nsources: []\n";
        _api.Answer("GET /api/v1/config", Yaml, type: "application/yaml");
        Assert.Equal((0, Yaml), await RunAsync("export") is var run ? (run.ExitCode, run.Output) : default);
        Assert.Equal((0, ""), await RunAsync($"export --output {Path}") is var written ? (written.ExitCode, written.Output) : default);
        Assert.Equal(Yaml, await System.IO.File.ReadAllTextAsync(Path));
        Assert.Equal(1, (await RunAsync($"export --output {_folder.FullName}")).ExitCode);
    }

    [Fact]
    public async Task Should_send_the_file_as_it_is_with_the_secrets_it_refers_to()
    {
        _api.Answer("POST /api/v1/config/diff", Nothing);
        var run = await ProgramRun.RosettaAsync(_api.Address, $"diff -f {Path}", variable: ("ROSETTA_TEST_PASSWORD", "from the environment"));

        Assert.Equal((0, ""), (run.ExitCode, run.Errors));
        var body = JsonDocument.Parse(Assert.Single(_api.Asked).Body).RootElement;
        Assert.Equal(File, body.GetProperty("yaml").GetString());
        Assert.False(body.GetProperty("prune").GetBoolean());
        // Only fields of secrets; what is not set or not there is the node's to judge.
        Assert.Equal(
            """{"env:ROSETTA_TEST_PASSWORD":"from the environment","file:password.txt":"from a file"}""", JsonSerializer.Serialize(body.GetProperty("secrets")));
        Assert.DoesNotContain("from ", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_show_what_would_change_and_what_is_refused()
    {
        _api.Answer("POST /api/v1/config/diff", Changes);
        var run = await RunAsync($"diff -f {Path} --prune");
        Assert.Equal(1, run.ExitCode);
        Assert.Equal(
            """
            + create source new  (line 3)
                pg_port: 5432
                pg_password: ***
            ~ update pipeline destination a/b  (line 9)
                table_syncs: [] -> [{"table_name": "x"}]
                refused: Pipeline 'a' is started.
            - delete preset old
            1 to create, 1 to change, 1 to delete, 1 as they are

            """, run.Output);
        Assert.True(JsonDocument.Parse(_api.Asked[^1].Body).RootElement.GetProperty("prune").GetBoolean());
        Assert.Equal(JsonSerializer.Serialize(JsonDocument.Parse(Changes)), JsonSerializer.Serialize(JsonDocument.Parse((await RunAsync($"diff -f {Path} --json")).Output)));
    }

    [Fact]
    public async Task Should_tell_by_the_exit_code_whether_something_differs_when_asked()
    {
        _api.Answer("POST /api/v1/config/diff", Changes.Replace("\"Pipeline 'a' is started.\"", "null", StringComparison.Ordinal));
        Assert.Equal(0, (await RunAsync($"diff -f {Path}")).ExitCode);
        Assert.Equal(2, (await RunAsync($"diff -f {Path} --exit-code")).ExitCode);
        _api.Answer("POST /api/v1/config/diff", Nothing);
        Assert.Equal(0, (await RunAsync($"diff -f {Path} --exit-code")).ExitCode);
    }

    [Fact]
    public async Task Should_apply_and_ask_before_anything_is_deleted()
    {
        _api.Answer("POST /api/v1/config/diff", Changes).Answer("POST /api/v1/config/apply", Nothing);
        var run = await RunAsync($"apply -f {Path} --prune");
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("Delete preset old? There is nobody to ask: add --yes.", run.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain(_api.Asked, a => a.Call.EndsWith("apply", StringComparison.Ordinal));

        run = await RunAsync($"apply -f {Path} --prune --yes");
        Assert.Equal((0, "0 created, 0 changed, 0 deleted, 1 as they were\n"), (run.ExitCode, run.Output));
        _api.Answer("POST /api/v1/config/diff", Nothing);
        Assert.Equal(0, (await ProgramRun.RosettaAsync(_api.Address, "apply -f -", input: "version: 1\n")).ExitCode);
        Assert.Equal("""{"yaml":"version: 1\n","secrets":{},"prune":false}""", _api.Asked[^1].Body);
    }

    [Fact]
    public async Task Should_tell_what_is_wrong_with_the_file_and_with_its_path()
    {
        _api.Answer(
            "POST /api/v1/config/diff",
            """{"title": "Unprocessable Entity", "status": 422, "detail": "The configuration is not acceptable.", "errors": {"sources[0].pg_port": ["must be a whole number (line 5)"]}}""",
            422, "application/problem+json");
        await System.IO.File.WriteAllTextAsync(Path, "a: [#]\npg_password: [\n");
        var run = await RunAsync($"apply -f {Path}");
        Assert.Equal((1, ""), (run.ExitCode, run.Output));
        Assert.Contains("sources[0].pg_port: must be a whole number (line 5)", run.Errors, StringComparison.Ordinal);
        Assert.Contains("nowhere.yaml", (await RunAsync("apply -f nowhere.yaml")).Errors, StringComparison.Ordinal);
    }

    Task<ProgramRun> RunAsync(string arguments) => ProgramRun.RosettaAsync(_api.Address, arguments);
}
