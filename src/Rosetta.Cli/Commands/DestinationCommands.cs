using System.CommandLine;
using System.Text.Json;
using Rosetta.Cli.Invocations;
using Rosetta.Client;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
using Spectre.Console;

namespace Rosetta.Cli.Commands;

/// <summary><c>rosetta destinations</c>.</summary>
static class DestinationCommands
{
    const string Collection = "destinations";

    static readonly Argument<string> DestinationArgument = new("destination") { Description = "Id or name" };

    public static Command Create() => Verb.Group(
        Collection, "Where changes go",
        Verb.Create("list", "All destinations", async i => i.Show<Page<Destination>>(await i.GetAsync("destinations?limit=1000"), List)),
        CreateVerb(),
        Verb.Create("show", "One destination", async i => i.Line(Wire.Indent((await i.GetAsync(await PathAsync(i))).Text)), DestinationArgument),
        Verb.Create(
            "test", "Connects to it", async i => ConnectionReport.Show(i, await i.PostAsync(await PathAsync(i, "/test-connection"))), DestinationArgument),
        Verb.Create("delete", "Forgets the destination; refused while a pipeline uses it", DeleteAsync, DestinationArgument));

    static async Task<string> PathAsync(Invocation i, string rest = "") => $"destinations/{await i.IdAsync(Collection, DestinationArgument)}{rest}";

    static Command CreateVerb()
    {
        var server = new ServerOptions();
        var schema = new Option<string?>("--schema") { Description = "Schema the tables go to (default: the one they have at the source)" };
        return Verb.Create(
            "create", "A new PostgreSQL destination; nothing is connected yet",
            async i =>
            {
                var config = new PostgresConfig(
                    i.Value(server.Host)!, i.Value(server.Port), i.Value(server.Database)!, i.Value(server.User)!,
                    await server.Password.ReadAsync(i), i.Value(schema), i.Value(server.SslMode));
                var answer = await i.PostAsync(Collection, new NewDestination(i.Value(server.Name)!, "POSTGRES", config));
                i.Done(answer, $"destination {answer.As<Destination>().Id} created: {i.Value(server.Name)}");
            },
            [.. server.Symbols, schema]);
    }

    static async Task DeleteAsync(Invocation i)
    {
        var path = await PathAsync(i);
        i.Confirm($"Delete destination {i.Value(DestinationArgument)}?");
        i.Done(await i.DeleteAsync(path), $"destination {i.Value(DestinationArgument)} deleted");
    }

    static Table List(Page<Destination> destinations)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumns("id", "name", "type", "server", "database", "user", "schema");
        foreach (var d in destinations.Items)
        {
            table.AddRow(
                $"{d.Id}", Markup.Escape(d.Name), d.Type, Field(d, "host") + ":" + Field(d, "port"), Field(d, "database"), Field(d, "user"),
                Field(d, "schema"));
        }
        return table;
    }

    static string Field(Destination destination, string name) =>
        destination.Config.ValueKind == JsonValueKind.Object && destination.Config.TryGetProperty(name, out var value)
            ? Markup.Escape(value.ToString())
            : "";
}
