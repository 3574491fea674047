using System.CommandLine;
using Rosetta.Bench;

// Ctrl-C stops node and servers, which takes a few seconds; the default of two would cut it off.
var configuration = new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(60) };
return await BenchCommand.Create().Parse(args).InvokeAsync(configuration);
